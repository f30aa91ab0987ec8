using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Cutpoint.Nodes;

namespace Cutpoint.Shared.Tests.Nodes;

/// <summary>The two ends of a line over the loopback interface.</summary>
internal sealed class LinePair : IDisposable
{
    public static readonly NodeSecret Secret = new("a secret of at least 32 octets, made up"u8);
    private static readonly X509Certificate2 Certificate = NodeCertificate.Create(TimeProvider.System);

    private LinePair(NodeLine coordinator, NodeLine worker)
    {
        Coordinator = coordinator;
        Worker = worker;
    }

    public NodeLine Coordinator { get; }

    public NodeLine Worker { get; }

    public static NodeGreeting Greeting { get; } = new() { JobId = "01", Epoch = 1 };

    public static async Task<LinePair> ConnectAsync(TimeProvider? workersTime = null)
    {
        using var listener = Listen();
        var accepting = AcceptAsync(listener, Secret, workersTime);
        var coordinator = await NodeLine.ConnectAsync(AddressOf(listener), Secret, Greeting, TimeProvider.System, default);
        return new LinePair(coordinator, await accepting);
    }

    public static Socket Listen()
    {
        var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    public static NodeAddress AddressOf(Socket listener) => new("127.0.0.1", ((IPEndPoint)listener.LocalEndPoint!).Port);

    /// <summary>A worker that welcomes everybody who knows the secret.</summary>
    public static async Task<NodeLine> AcceptAsync(Socket listener, NodeSecret secret, TimeProvider? time = null)
    {
        var (line, _) = await NodeLine.AcceptAsync(await listener.AcceptAsync(), secret, Certificate, time ?? TimeProvider.System, default);
        await line.SendAsync(FrameKind.Welcome);
        return line;
    }

    public void Dispose()
    {
        Coordinator.Dispose();
        Worker.Dispose();
    }
}
