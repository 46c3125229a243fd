// Stream a WAV file with github.com/gorilla/websocket, with a pause in the middle.
//
//	go run ./listen FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]
//
// FILE is 16 kHz mono linear16; the times are in seconds, by default 3, 12 and 4. CAESURA_URL is the address
// of the server (by default ws://127.0.0.1:8080), DEEPGRAM_API_KEY the key, if one is needed.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

const (
	rate       = 16000
	frameTime  = 100 * time.Millisecond
	frameBytes = rate * 2 / 10
)

// message is what this program reads of the messages it requested; in those of utterance_end_ms and vad_events
// `channel` has another shape.
type message struct {
	Type     string
	Start    float64
	Duration float64
	IsFinal  bool `json:"is_final"`
	Channel  struct {
		Alternatives []struct{ Transcript string }
	}
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: listen FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]")
	}
	pauseAt, pauseFor, every := seconds(2, 3*time.Second), seconds(3, 12*time.Second), seconds(4, 4*time.Second)
	samples := read(os.Args[1])
	cut := min(int(pauseAt.Seconds()*rate)*2, len(samples))

	line := connect()
	defer line.Close()
	openedAt := time.Now()
	done := make(chan outcome, 1)
	go func() { done <- listen(line, pauseAt) }()

	// A send fails when the server has hung up; the listener has the reason, so nothing more is sent.
	_ = converse(line, samples[:cut], samples[cut:], pauseFor, every)
	end := <-done
	if !websocket.IsCloseError(end.closed, websocket.CloseNormalClosure) || end.metadata == nil {
		log.Fatal("the server hung up: ", end.closed)
	}
	fmt.Printf("%.2f s of audio, %.1f s on the line\n", end.metadata.Duration, time.Since(openedAt).Seconds())
	if !end.heardAfter {
		log.Fatal("no words came after the pause")
	}
}

// converse sends audio, pauses, sends the rest and closes.
func converse(line *websocket.Conn, before, after []byte, pauseFor, every time.Duration) error {
	if err := speak(line, before); err != nil {
		return err
	}
	if err := pause(line, pauseFor, every); err != nil {
		return err
	}
	if err := speak(line, after); err != nil {
		return err
	}
	return control(line, "CloseStream") // requests the last words, then Metadata, then the close
}

// speak sends audio as fast as it would be spoken; a microphone would set the pace by itself.
func speak(line *websocket.Conn, audio []byte) error {
	for len(audio) > 0 {
		n := min(frameBytes, len(audio))
		if err := line.WriteMessage(websocket.BinaryMessage, audio[:n]); err != nil { // binary: always audio
			return err
		}
		audio = audio[n:]
		time.Sleep(frameTime)
	}
	return nil
}

// pause holds the line without sending audio.
func pause(line *websocket.Conn, pauseFor, every time.Duration) error {
	if err := control(line, "Finalize"); err != nil { // otherwise the last words stay interim until the pause ends
		return err
	}
	until := time.Now().Add(pauseFor)
	for time.Until(until) > every {
		time.Sleep(every)
		if err := control(line, "KeepAlive"); err != nil {
			return err
		}
	}
	time.Sleep(time.Until(until))
	return nil
}

// control sends a message about the stream. WriteJSON makes a text frame: always control.
func control(line *websocket.Conn, kind string) error {
	return line.WriteJSON(map[string]string{"type": kind})
}

// outcome is what the listener returns when the server has closed.
type outcome struct {
	metadata   *message
	heardAfter bool
	closed     error
}

// listen prints final words as they come, until the server closes.
func listen(line *websocket.Conn, pauseAt time.Duration) (end outcome) {
	for {
		var m message
		if end.closed = line.ReadJSON(&m); end.closed != nil {
			return end
		}
		switch {
		case m.Type == "Metadata":
			end.metadata = &m
		case m.Type == "Results" && m.IsFinal && m.Channel.Alternatives[0].Transcript != "":
			fmt.Printf("%7.2f %7.2f  %s\n", m.Start, m.Start+m.Duration, m.Channel.Alternatives[0].Transcript)
			// Stream time stood still: what comes after the pause starts where the audio before it ended.
			end.heardAfter = end.heardAfter || m.Start > pauseAt.Seconds()-0.01
		}
	}
}

func connect() *websocket.Conn {
	url := os.Getenv("CAESURA_URL")
	if url == "" {
		url = "ws://127.0.0.1:8080"
	}
	header := http.Header{}
	if key := os.Getenv("DEEPGRAM_API_KEY"); key != "" {
		header.Set("Authorization", "Token "+key)
	}
	url += "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&punctuate=true"
	line, response, err := websocket.DefaultDialer.Dial(url, header)
	if response != nil && err != nil {
		log.Fatalf("%v: %s %s", err, response.Status, response.Header.Get("dg-error"))
	}
	if err != nil {
		log.Fatal(err)
	}
	return line
}

// read returns the samples of a WAV file.
func read(file string) []byte {
	wav, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	at := bytes.Index(wav, []byte("data"))
	if at < 36 || binary.LittleEndian.Uint16(wav[22:]) != 1 || binary.LittleEndian.Uint32(wav[24:]) != rate {
		log.Fatalf("%s is not 16 kHz mono linear16", file)
	}
	return wav[at+8:] // the chunk's name and length are 4 bytes each
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

// min is built in from Go 1.21 on.
func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
