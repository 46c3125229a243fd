// Stream a WAV file with .NET's own ClientWebSocket, with a pause in the middle. Runs on .NET and on mono.
//
//   mcs -r:System.Runtime.Serialization Listen.cs && mono Listen.exe FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]
//
// FILE is 16 kHz mono linear16; the times are in seconds, by default 3, 12 and 4. CAESURA_URL is the address
// of the server (by default ws://127.0.0.1:8080), DEEPGRAM_API_KEY the key, if one is needed.

using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net.WebSockets;
using System.Runtime.Serialization;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

// What this program reads of the messages it requested.
[DataContract]
class Message
{
    [DataMember(Name = "type")] public string Type;
    [DataMember(Name = "start")] public double Start;
    [DataMember(Name = "duration")] public double Duration;
    [DataMember(Name = "is_final")] public bool IsFinal;
    [DataMember(Name = "channel")] public Channel Channel;
}

[DataContract]
class Channel
{
    [DataMember(Name = "alternatives")] public Alternative[] Alternatives;
}

[DataContract]
class Alternative
{
    [DataMember(Name = "transcript")] public string Transcript;
}

class Listen
{
    const int Rate = 16000;
    const int FrameMs = 100;
    const int FrameBytes = Rate * 2 * FrameMs / 1000;

    readonly ClientWebSocket line = new ClientWebSocket();
    readonly double pauseAt;
    Message metadata;
    bool heardAfter;

    Listen(double pauseAt)
    {
        this.pauseAt = pauseAt;
    }

    static int Main(string[] arguments)
    {
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        if (arguments.Length == 0)
            return Fail("usage: Listen FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]");
        Func<int, double, double> seconds = (n, usual) => n < arguments.Length ? double.Parse(arguments[n]) : usual;
        try
        {
            var samples = Read(arguments[0]);
            var code = new Listen(seconds(1, 3)).Run(samples, seconds(2, 12), seconds(3, 4)).GetAwaiter().GetResult();
            Thread.Sleep(100); // mono 6.8 may hang at its end while a pool thread is still at work; .NET need not wait
            return code;
        }
        catch (Exception error) when (error is WebSocketException || error is IOException)
        {
            return Fail(error.GetBaseException().Message);
        }
    }

    async Task<int> Run(byte[] samples, double pauseFor, double every)
    {
        var url = Environment.GetEnvironmentVariable("CAESURA_URL") ?? "ws://127.0.0.1:8080";
        var key = Environment.GetEnvironmentVariable("DEEPGRAM_API_KEY");
        if (key != null) line.Options.SetRequestHeader("Authorization", "Token " + key);
        var query = "model=nova-3&encoding=linear16&sample_rate=" + Rate + "&punctuate=true";
        await line.ConnectAsync(new Uri(url + "/v1/listen?" + query), CancellationToken.None);
        var open = Stopwatch.StartNew();

        var receiving = Receive();
        var cut = Math.Min((int)(pauseAt * Rate) * 2, samples.Length);
        try
        {
            await Speak(samples, 0, cut);
            await Pause(pauseFor, every);
            await Speak(samples, cut, samples.Length);
            await Control("CloseStream"); // requests the last words, then Metadata, then the close
        }
        catch (Exception error) when (error is WebSocketException || error is InvalidOperationException)
        {
            // The server has hung up; the socket keeps the reason.
        }
        await receiving;
        if (line.CloseStatus != WebSocketCloseStatus.NormalClosure || metadata == null)
            return Fail("the server hung up: " + (int?)line.CloseStatus + " " + line.CloseStatusDescription);
        Console.WriteLine("{0:F2} s of audio, {1:F1} s on the line", metadata.Duration, open.Elapsed.TotalSeconds);
        return heardAfter ? 0 : Fail("no words came after the pause");
    }

    // Sends audio as fast as it would be spoken; a microphone would set the pace by itself.
    async Task Speak(byte[] audio, int from, int to)
    {
        for (var at = from; at < to; at += FrameBytes)
        {
            var frame = new ArraySegment<byte>(audio, at, Math.Min(FrameBytes, to - at));
            await line.SendAsync(frame, WebSocketMessageType.Binary, true, CancellationToken.None); // always audio
            await Task.Delay(FrameMs);
        }
    }

    // Holds the line without sending audio. Options.KeepAliveInterval would not do: it sends pings or pongs, which do
    // not count.
    async Task Pause(double seconds, double every)
    {
        await Control("Finalize"); // otherwise the last words stay interim until the pause ends
        var until = TimeSpan.FromSeconds(seconds);
        var watch = Stopwatch.StartNew();
        while ((until - watch.Elapsed).TotalSeconds > every)
        {
            await Task.Delay(TimeSpan.FromSeconds(every));
            await Control("KeepAlive");
        }
        if (until > watch.Elapsed) await Task.Delay(until - watch.Elapsed);
    }

    // Sends a message about the stream, as a text frame: always control.
    Task Control(string type)
    {
        var text = new ArraySegment<byte>(Encoding.UTF8.GetBytes("{\"type\":\"" + type + "\"}"));
        return line.SendAsync(text, WebSocketMessageType.Text, true, CancellationToken.None);
    }

    // Prints final words as they come, until the server closes.
    async Task Receive()
    {
        var json = new DataContractJsonSerializer(typeof(Message));
        var part = new ArraySegment<byte>(new byte[8192]);
        var text = new MemoryStream();
        while (line.State == WebSocketState.Open)
        {
            var got = await line.ReceiveAsync(part, CancellationToken.None);
            text.Write(part.Array, 0, got.Count);
            if (!got.EndOfMessage || got.MessageType != WebSocketMessageType.Text) continue;
            text.Position = 0;
            Show((Message)json.ReadObject(text));
            text.SetLength(0);
        }
        // Answers the server's close; without it sending would continue without an error.
        if (line.State == WebSocketState.CloseReceived)
            await line.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
    }

    void Show(Message message)
    {
        if (message.Type == "Metadata") metadata = message;
        if (message.Type != "Results" || !message.IsFinal) return;
        var words = message.Channel.Alternatives[0].Transcript;
        if (words == "") return;
        Console.WriteLine("{0,7:F2} {1,7:F2}  {2}", message.Start, message.Start + message.Duration, words);
        // Stream time stood still: what comes after the pause starts where the audio before it ended.
        if (message.Start > pauseAt - 0.01) heardAfter = true;
    }

    // Returns the samples of a WAV file.
    static byte[] Read(string file)
    {
        var wav = File.ReadAllBytes(file);
        if (BitConverter.ToUInt16(wav, 22) != 1 || BitConverter.ToUInt32(wav, 24) != Rate)
            throw new IOException(file + " is not 16 kHz mono linear16");
        var data = Encoding.ASCII.GetString(wav).IndexOf("data", StringComparison.Ordinal) + 8; // its name and length
        return new ArraySegment<byte>(wav, data, wav.Length - data).ToArray();
    }

    static int Fail(string why)
    {
        Console.Error.WriteLine(why);
        return 1;
    }
}
