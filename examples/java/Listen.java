// Stream a WAV file with the JDK's own java.net.http.WebSocket (Java 17 or newer), with a pause in the middle.
//
//   java Listen.java FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]
//
// FILE is 16 kHz mono linear16; the times are in seconds, by default 3, 12 and 4. CAESURA_URL is the address
// of the server (by default ws://127.0.0.1:8080), DEEPGRAM_API_KEY the key, if one is needed.

import java.io.File;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.regex.Pattern;
import javax.sound.sampled.AudioSystem;

public class Listen implements WebSocket.Listener {
    static final int RATE = 16_000;
    static final int FRAME_MS = 100;
    static final int FRAME_BYTES = RATE * 2 * FRAME_MS / 1000;

    static final Pattern TRANSCRIPT = Pattern.compile("\"transcript\":\"((?:[^\"\\\\]|\\\\.)+)\"");

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 0) fail("usage: java Listen.java FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]");
        double pauseAt = seconds(arguments, 1, 3);
        double pauseFor = seconds(arguments, 2, 12);
        double every = seconds(arguments, 3, 4);
        byte[] samples = read(arguments[0]);
        int cut = Math.min((int) (pauseAt * RATE) * 2, samples.length);

        var listener = new Listen(pauseAt);
        long openedAt = System.nanoTime();
        WebSocket line = connect(listener);
        try {
            speak(line, samples, 0, cut);
            pause(line, pauseFor, every);
            speak(line, samples, cut, samples.length);
            control(line, "CloseStream"); // requests the last words, then Metadata, then the close
        } catch (CompletionException hungUp) {
            // The listener has the reason.
        }
        String closed = listener.closed.join();
        if (!closed.equals("1000 ") || listener.metadata == null) fail("the server hung up: " + closed);
        System.out.printf(
            Locale.ROOT, "%.2f s of audio, %.1f s on the line%n",
            number(listener.metadata, "duration"), (System.nanoTime() - openedAt) / 1e9);
        if (!listener.heardAfter) fail("no words came after the pause");
    }

    // Sends audio as fast as it would be spoken; a microphone would set the pace by itself.
    static void speak(WebSocket line, byte[] audio, int from, int to) throws InterruptedException {
        for (int at = from; at < to; at += FRAME_BYTES) {
            var frame = ByteBuffer.wrap(audio, at, Math.min(FRAME_BYTES, to - at));
            line.sendBinary(frame, true).join(); // binary: always audio. A second send must wait for the first
            Thread.sleep(FRAME_MS);
        }
    }

    // Holds the line without sending audio.
    static void pause(WebSocket line, double seconds, double every) throws InterruptedException {
        control(line, "Finalize"); // otherwise the last words stay interim until the pause ends
        long until = System.nanoTime() + (long) (seconds * 1e9);
        while (until - System.nanoTime() > every * 1e9) {
            Thread.sleep((long) (every * 1000));
            control(line, "KeepAlive"); // sendPing would not do: a ping does not count
        }
        Thread.sleep(Math.max(0, until - System.nanoTime()) / 1_000_000);
    }

    // Sends a message about the stream, as a text frame: always control.
    static void control(WebSocket line, String type) {
        line.sendText("{\"type\":\"" + type + "\"}", true).join();
    }

    static WebSocket connect(Listen listener) {
        var url = System.getenv().getOrDefault("CAESURA_URL", "ws://127.0.0.1:8080");
        var key = System.getenv("DEEPGRAM_API_KEY");
        var builder = HttpClient.newHttpClient().newWebSocketBuilder();
        if (key != null) builder.header("Authorization", "Token " + key);
        var query = "model=nova-3&encoding=linear16&sample_rate=" + RATE + "&punctuate=true";
        try {
            return builder.buildAsync(URI.create(url + "/v1/listen?" + query), listener).join();
        } catch (CompletionException refused) {
            var cause = refused.getCause();
            fail(url + ": " + (cause instanceof WebSocketHandshakeException answer ? answer.getResponse() : cause));
            return null;
        }
    }

    // ---- messages of the server ----

    final CompletableFuture<String> closed = new CompletableFuture<>();
    private final double pauseAt;
    private final StringBuilder text = new StringBuilder();
    volatile String metadata;
    volatile boolean heardAfter;

    Listen(double pauseAt) {
        this.pauseAt = pauseAt;
    }

    @Override
    public CompletionStage<?> onText(WebSocket line, CharSequence part, boolean last) {
        text.append(part);
        if (last) {
            receive(text.toString());
            text.setLength(0);
        }
        line.request(1); // without this nothing more is delivered
        return null;
    }

    private void receive(String message) {
        if (message.contains("\"type\":\"Metadata\"")) metadata = message;
        var words = TRANSCRIPT.matcher(message);
        if (!message.contains("\"is_final\":true") || !words.find()) return;
        double start = number(message, "start");
        System.out.printf(
            Locale.ROOT, "%7.2f %7.2f  %s%n", start, start + number(message, "duration"), words.group(1));
        // Stream time stood still: what comes after the pause starts where the audio before it ended.
        if (start > pauseAt - 0.01) heardAfter = true;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket line, int code, String reason) {
        closed.complete(code + " " + reason);
        return null;
    }

    @Override
    public void onError(WebSocket line, Throwable error) {
        closed.complete(error.toString());
    }

    // ---- what is read ----

    // The JDK has no JSON: this finds the first field of that name, which is the message's own, for its words come
    // later. A real program uses a library.
    static double number(String message, String name) {
        var found = Pattern.compile("\"" + name + "\":([0-9.]+)").matcher(message);
        if (!found.find()) throw new IllegalArgumentException("no " + name + " in " + message);
        return Double.parseDouble(found.group(1));
    }

    static byte[] read(String file) throws Exception {
        try (var wav = AudioSystem.getAudioInputStream(new File(file))) {
            var format = wav.getFormat();
            if (format.getSampleRate() != RATE || format.getChannels() != 1 || format.getSampleSizeInBits() != 16)
                fail(file + " is not 16 kHz mono linear16");
            return wav.readAllBytes();
        }
    }

    static double seconds(String[] arguments, int n, double usual) {
        return n < arguments.length ? Double.parseDouble(arguments[n]) : usual;
    }

    static void fail(String why) {
        System.err.println(why);
        System.exit(1);
    }
}
