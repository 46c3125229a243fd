// KeepAlive alone: hold a line open without any audio.
//
//	go run ./keepalive [SECONDS [EVERY]]
//
// By default 20 and 4; CAESURA_URL and DEEPGRAM_API_KEY are as in listen.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

func main() {
	url, header := "ws://127.0.0.1:8080", http.Header{}
	if given := os.Getenv("CAESURA_URL"); given != "" {
		url = given
	}
	if key := os.Getenv("DEEPGRAM_API_KEY"); key != "" {
		header.Set("Authorization", "Token "+key)
	}
	line, _, err := websocket.DefaultDialer.Dial(url+"/v1/listen?encoding=linear16&sample_rate=16000", header)
	if err != nil {
		log.Fatal(err)
	}
	defer line.Close()

	every := seconds(2, 4*time.Second)
	for left := seconds(1, 20*time.Second); left > 0; left -= every {
		time.Sleep(every)
		// TextMessage: as a BinaryMessage it would be audio.
		if err := line.WriteMessage(websocket.TextMessage, []byte(`{"type":"KeepAlive"}`)); err != nil {
			break // the reader below has the reason
		}
	}
	_ = line.WriteMessage(websocket.TextMessage, []byte(`{"type":"CloseStream"}`))
	for {
		_, text, err := line.ReadMessage()
		if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", text) // Metadata and nothing else: a KeepAlive is not answered
	}
}

// seconds reads the n-th argument.
func seconds(n int, usual time.Duration) time.Duration {
	if n >= len(os.Args) {
		return usual
	}
	given, err := time.ParseDuration(os.Args[n] + "s")
	if err != nil {
		log.Fatal(err)
	}
	return given
}
