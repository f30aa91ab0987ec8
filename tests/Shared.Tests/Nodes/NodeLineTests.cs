using System.Net.Security;
using System.Net.Sockets;
using Cutpoint.Nodes;
using Cutpoint.Tests;

namespace Cutpoint.Shared.Tests.Nodes;

public sealed class NodeLineTests
{
    [Fact]
    public async Task Frames_arrive_whole_and_in_order_whatever_their_length()
    {
        using var pair = await LinePair.ConnectAsync();
        int[] lengths = [0, 1, 5000, 4 << 20, 3];
        var sending = Task.Run(async () =>
        {
            foreach (var length in lengths) await pair.Coordinator.SendAsync(FrameKind.Section, length, (byte)length, static (octets, value) => octets.Fill(value));
        });

        foreach (var length in lengths)
        {
            var frame = (await pair.Worker.ReceiveAsync(default))!.Value;
            Assert.Equal(FrameKind.Section, frame.Kind);
            Assert.Equal(length, frame.Payload.Length);
            Assert.Equal(-1, frame.Payload.Span.IndexOfAnyExcept((byte)length));
        }
        await sending;
        pair.Coordinator.Dispose();
        Assert.Null(await pair.Worker.ReceiveAsync(default));
    }

    [Fact]
    public async Task Who_has_another_secret_is_refused_at_both_ends()
    {
        using var listener = LinePair.Listen();
        var accepting = LinePair.AcceptAsync(listener, new NodeSecret("another secret of at least 32 octets"u8));

        var refused = await Assert.ThrowsAsync<SnapshotException>(
            () => NodeLine.ConnectAsync(LinePair.AddressOf(listener), LinePair.Secret, LinePair.Greeting, TimeProvider.System, default));

        Assert.Equal(ErrorCode.NotAuthorised, refused.Code);
        await Assert.ThrowsAsync<SnapshotException>(() => accepting);
    }

    [Fact]
    public async Task Who_stands_between_two_nodes_is_found_out_before_anything_is_said()
    {
        using var worker = LinePair.Listen();
        using var between = LinePair.Listen();
        var accepting = LinePair.AcceptAsync(worker, LinePair.Secret);
        var relaying = RelayAsync(between, worker);

        var refused = await Assert.ThrowsAsync<SnapshotException>(
            () => NodeLine.ConnectAsync(LinePair.AddressOf(between), LinePair.Secret, LinePair.Greeting, TimeProvider.System, default));

        Assert.Equal(ErrorCode.NotAuthorised, refused.Code);
        await relaying;
        await Assert.ThrowsAsync<SnapshotException>(() => accepting);
    }

    [Fact]
    public async Task Who_was_stopped_itself_does_not_take_old_words_for_fresh_ones()
    {
        var time = new ManualTime();
        using var pair = await LinePair.ConnectAsync(time);
        await pair.Coordinator.SendAsync(FrameKind.Beat);
        Assert.NotNull(await pair.Worker.ReceiveAsync(NodeLease.OfWorker, default));
        await pair.Coordinator.SendAsync(FrameKind.Beat);

        time.Advance(NodeLease.OfWorker + TimeSpan.FromTicks(1));

        var over = await Assert.ThrowsAsync<SnapshotException>(async () => await pair.Worker.ReceiveAsync(NodeLease.OfWorker, default));
        Assert.Equal(ErrorCode.Locked, over.Code);
    }

    [Theory]
    [InlineData("host", "host", NodeAddress.DefaultPort)]
    [InlineData("10.0.0.7:80", "10.0.0.7", 80)]
    [InlineData("[::1]:7", "::1", 7)]
    [InlineData("[::1]", "::1", NodeAddress.DefaultPort)]
    public void An_address_is_a_host_and_a_port(string text, string host, int port) => Assert.Equal(new NodeAddress(host, port), NodeAddress.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData(":80")]
    [InlineData("host:port")]
    [InlineData("host:70000")]
    [InlineData("::1")]
    public void What_is_no_address_is_a_usage_error(string text) =>
        Assert.Equal(ErrorCode.Usage, Assert.Throws<SnapshotException>(() => NodeAddress.Parse(text)).Code);

    [Fact]
    public void A_guest_of_another_node_is_named_behind_it()
    {
        var address = GuestAddress.Parse("//host1:80/qemu:/run/vm1.qmp");

        Assert.Equal("host1:80", address.Node);
        Assert.Equal("qemu:/run/vm1.qmp", address.Uri.Text);
        Assert.Null(GuestAddress.Parse("qemu:/run/vm1.qmp").Node);
        Assert.Equal(ErrorCode.Usage, Assert.Throws<SnapshotException>(() => GuestAddress.Parse("//host1")).Code);
    }

    [Fact]
    public void A_secret_that_others_may_read_or_guess_is_refused()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "short\n");
            Assert.Equal(ErrorCode.NotAuthorised, Assert.Throws<SnapshotException>(() => NodeSecret.Read(path)).Code);
            File.WriteAllText(path, new string('x', 64));
            NodeSecret.Read(path);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.OtherRead);
            Assert.Contains("chmod", Assert.Throws<SnapshotException>(() => NodeSecret.Read(path)).Advice, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Ends TLS of both sides with a certificate of its own, and hands every octet on.</summary>
    private static async Task RelayAsync(Socket between, Socket worker)
    {
        using var certificate = NodeCertificate.Create(TimeProvider.System);
        using var coordinators = new SslStream(new NetworkStream(await between.AcceptAsync(), ownsSocket: true));
        await coordinators.AuthenticateAsServerAsync(certificate);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(worker.LocalEndPoint!);
#pragma warning disable CA5359 // It is the attacker.
        using var workers = new SslStream(new NetworkStream(socket, ownsSocket: true), false, static (_, _, _, _) => true);
#pragma warning restore CA5359
        await workers.AuthenticateAsClientAsync("cutpoint");
        try
        {
            await Task.WhenAny(coordinators.CopyToAsync(workers), workers.CopyToAsync(coordinators));
        }
        catch (IOException)
        {
        }
    }
}
