// KeepAlive alone: hold a line open without any audio. Runs on .NET and on mono.
//
//   mcs KeepAlive.cs && mono KeepAlive.exe [SECONDS [EVERY]]
//
// By default 20 and 4; CAESURA_URL and DEEPGRAM_API_KEY are as in Listen.cs.

using System;
using System.Globalization;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

class KeepAlive
{
    static readonly ClientWebSocket line = new ClientWebSocket();

    static int Main(string[] arguments)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        var seconds = arguments.Length > 0 ? double.Parse(arguments[0]) : 20;
        var every = arguments.Length > 1 ? double.Parse(arguments[1]) : 4;
        var code = Hold(seconds, every).GetAwaiter().GetResult();
        Thread.Sleep(100); // mono 6.8 may hang at its end while a pool thread is still at work; .NET need not wait
        return code;
    }

    static async Task<int> Hold(double seconds, double every)
    {
        var url = Environment.GetEnvironmentVariable("CAESURA_URL") ?? "ws://127.0.0.1:8080";
        var key = Environment.GetEnvironmentVariable("DEEPGRAM_API_KEY");
        if (key != null) line.Options.SetRequestHeader("Authorization", "Token " + key);
        var listen = new Uri(url + "/v1/listen?encoding=linear16&sample_rate=16000");
        await line.ConnectAsync(listen, CancellationToken.None);
        var receiving = Receive();

        for (var held = 0.0; held < seconds && line.State == WebSocketState.Open; held += every)
        {
            await Task.Delay(TimeSpan.FromSeconds(every));
            if (line.State == WebSocketState.Open) await Send("{\"type\":\"KeepAlive\"}");
        }
        if (line.State == WebSocketState.Open) await Send("{\"type\":\"CloseStream\"}");
        await receiving;
        Console.WriteLine("closed: " + (int?)line.CloseStatus + " " + line.CloseStatusDescription);
        return line.CloseStatus == WebSocketCloseStatus.NormalClosure ? 0 : 1;
    }

    // Text; as Binary it would be audio.
    static Task Send(string message)
    {
        var bytes = new ArraySegment<byte>(Encoding.UTF8.GetBytes(message));
        return line.SendAsync(bytes, WebSocketMessageType.Text, true, CancellationToken.None);
    }

    // Prints Metadata and nothing else: a KeepAlive is not answered.
    static async Task Receive()
    {
        var buffer = new ArraySegment<byte>(new byte[8192]);
        while (line.State == WebSocketState.Open)
        {
            var got = await line.ReceiveAsync(buffer, CancellationToken.None);
            if (got.MessageType == WebSocketMessageType.Text)
                Console.WriteLine(Encoding.UTF8.GetString(buffer.Array, 0, got.Count));
        }
        if (line.State == WebSocketState.CloseReceived)
            await line.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
    }
}
