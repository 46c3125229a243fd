// KeepAlive alone: hold a line open without any audio.
//
//   java KeepAlive.java [SECONDS [EVERY]]
//
// By default 20 and 4; CAESURA_URL and DEEPGRAM_API_KEY are as in Listen.java.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

public class KeepAlive {
    public static void main(String[] arguments) throws Exception {
        double seconds = arguments.length > 0 ? Double.parseDouble(arguments[0]) : 20;
        double every = arguments.length > 1 ? Double.parseDouble(arguments[1]) : 4;
        var url = System.getenv().getOrDefault("CAESURA_URL", "ws://127.0.0.1:8080");
        var key = System.getenv("DEEPGRAM_API_KEY");

        var closed = new CompletableFuture<Integer>();
        var builder = HttpClient.newHttpClient().newWebSocketBuilder();
        if (key != null) builder.header("Authorization", "Token " + key);
        var listen = URI.create(url + "/v1/listen?encoding=linear16&sample_rate=16000");
        var line = builder.buildAsync(listen, new WebSocket.Listener() {
            @Override
            public CompletionStage<?> onText(WebSocket line, CharSequence text, boolean last) {
                System.out.println(text); // Metadata and nothing else: a KeepAlive is not answered
                line.request(1);
                return null;
            }

            @Override
            public CompletionStage<?> onClose(WebSocket line, int code, String reason) {
                System.out.println("closed: " + code + " " + reason);
                closed.complete(code);
                return null;
            }
        }).join();

        for (double held = 0; held < seconds; held += every) {
            Thread.sleep((long) (every * 1000));
            if (closed.isDone()) break;
            line.sendText("{\"type\":\"KeepAlive\"}", true).join(); // text; sendBinary would make it audio
        }
        line.sendText("{\"type\":\"CloseStream\"}", true);
        System.exit(closed.join() == 1000 ? 0 : 1);
    }
}
