using System.Net;
using System.Net.Sockets;
using System.Text;
using Cutpoint.Formats.Ssm;
using Cutpoint.Formats.Ssm.Teleport;
using Cutpoint.Tests;

namespace Cutpoint.Shared.Tests.Formats.Ssm;

/// <summary>Both ends of a teleportation, over a socket.</summary>
public sealed class TeleportTests : IAsyncLifetime, IDisposable
{
    private const string Password = "hashed password";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _patience = new(TimeSpan.FromMinutes(1));
    private readonly Machine _machine = new();
    private TcpClient? _sourceSocket;
    private TcpClient? _targetSocket;

    private NetworkStream SourceConnection => _sourceSocket!.GetStream();

    private CancellationToken Token => _patience.Token;

    public async Task InitializeAsync()
    {
        _listener.Start();
        var accepted = _listener.AcceptTcpClientAsync(Token);
        _sourceSocket = new TcpClient { NoDelay = true };
        await _sourceSocket.ConnectAsync((IPEndPoint)_listener.LocalEndpoint, Token);
        _targetSocket = await accepted;
        _targetSocket.NoDelay = true;
    }

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose()
    {
        _sourceSocket?.Dispose();
        _targetSocket?.Dispose();
        _listener.Dispose();
        _patience.Dispose();
    }

    [Fact]
    public async Task A_saved_state_moves_from_source_to_target_and_the_machine_is_handed_over()
    {
        var serve = ServeAsync();
        var source = new TeleportSource(SourceConnection);
        await source.LogInAsync(Password, Token);
        var state = SavedStateVectors.Read("basic.sav");
        await source.LoadAsync((stream, cancellation) => new MemoryStream(state).CopyToAsync(stream, 65536, cancellation), Token);
        await source.LockMediaAsync(Token);
        await source.HandOverAsync(paused: false, Token);
        Assert.True(await serve);
        Assert.Equal(["SSM", "prims", "strs", "bulk", "struct", "ext"], _machine.Units);
        Assert.True(_machine.IsLocked);
    }

    [Fact]
    public async Task The_wire_is_that_of_the_original()
    {
        var serve = ServeAsync();
        var wire = SourceConnection;
        Assert.Equal("VirtualBox-Teleporter-1.0\n", await ReadAsync(26));
        await WriteAsync(Password + "\n");
        Assert.Equal("ACK\n", await ReadAsync(4));
        await WriteAsync("dance\n");
        Assert.Equal("NACK=-12\n", await ReadAsync(9));
        await WriteAsync("hand-over-resume\n");
        Assert.StartsWith("NACK=-79;", await ReadAsync("NACK=-79;the media are not locked\n".Length), StringComparison.Ordinal);
        await WriteAsync("load\n");
        Assert.Equal("ACK\n", await ReadAsync(4));
        var state = SavedStateVectors.Read("tiny.sav");
        // Frames of one octet: their borders mean nothing to the stream inside.
        foreach (var octet in state) await wire.WriteAsync(new byte[] { 0x05, 0x12, 0x47, 0x19, 1, 0, 0, 0, octet }, Token);
        await wire.WriteAsync(new byte[] { 0x05, 0x12, 0x47, 0x19, 0, 0, 0, 0 }, Token);
        Assert.Equal("ACK\n", await ReadAsync(4));
        await WriteAsync("lock-media\nhand-over-paused\n");
        Assert.Equal("ACK\nACK\n", await ReadAsync(8));
        Assert.False(await serve);
        Assert.Equal(["SSM", "tiny"], _machine.Units);

        ValueTask WriteAsync(string text) => wire.WriteAsync(Encoding.ASCII.GetBytes(text), Token);

        async Task<string> ReadAsync(int count)
        {
            var octets = new byte[count];
            await wire.ReadExactlyAsync(octets, Token);
            return Encoding.ASCII.GetString(octets);
        }
    }

    [Fact]
    public async Task A_wrong_password_is_refused_after_a_while()
    {
        var time = new ManualTime();
        var target = new TeleportTarget(_targetSocket!.GetStream(), _machine);
        var accept = target.AcceptAsync(Password, time, Token);
        var login = new TeleportSource(SourceConnection).LogInAsync("guess", Token);
        while (!accept.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(2));
            await Task.Yield();
        }
        Assert.False(await accept);
        var refused = await Assert.ThrowsAsync<TeleportRefusedException>(() => login);
        Assert.Equal((SavedStateStatus.AuthenticationFailure, ErrorCode.NotAuthorised), (refused.Status, refused.Code));
    }

    [Fact]
    public async Task A_target_that_cannot_load_says_why()
    {
        _machine.Failure = new SavedStateException(SavedStateStatus.IntegrityUnitNotFound, 7, "unit nobody/0");
        var serve = ServeAsync();
        var source = new TeleportSource(SourceConnection);
        await source.LogInAsync(Password, Token);
        var refused = await Assert.ThrowsAsync<TeleportRefusedException>(() => source.LoadAsync(
            async (stream, cancellation) => await stream.WriteAsync(SavedStateVectors.Read("tiny.sav"), cancellation), Token));
        Assert.Equal(SavedStateStatus.IntegrityUnitNotFound, refused.Status);
        Assert.Contains("unit nobody/0", refused.Message, StringComparison.Ordinal);
        Assert.Equal(SavedStateStatus.IntegrityUnitNotFound, (await Assert.ThrowsAsync<SavedStateException>(() => serve)).Status);
    }

    [Fact]
    public async Task A_source_that_fails_cancels_the_stream()
    {
        var serve = ServeAsync();
        var source = new TeleportSource(SourceConnection);
        await source.LogInAsync(Password, Token);
        await Assert.ThrowsAsync<InvalidOperationException>(() => source.LoadAsync((_, _) => throw new InvalidOperationException("broken"), Token));
        Assert.Equal(SavedStateStatus.Cancelled, (await Assert.ThrowsAsync<SavedStateException>(() => serve)).Status);
    }

    [Fact]
    public async Task Bad_frames_fail_every_later_read_too()
    {
        foreach (var (frame, expected) in new (byte[], SavedStateStatus)[]
        {
            ([6, 0x12, 0x47, 0x19, 1, 0, 0, 0, 1], SavedStateStatus.InputOutputFailure),
            ([5, 0x12, 0x47, 0x19, 0xF9, 0xFF, 0xFF, 0, 1], SavedStateStatus.InputOutputFailure),
            ([5, 0x12, 0x47, 0x19, 0xFF, 0xFF, 0xFF, 0xFF], SavedStateStatus.Cancelled),
            ([5, 0x12, 0x47, 0x19, 2, 0, 0, 0], SavedStateStatus.EndOfFile),
            ([5, 0x12, 0x47], SavedStateStatus.EndOfFile),
        })
        {
            await using var stream = new TeleportTargetStream(new MemoryStream(frame));
            Assert.Equal(expected, SavedStateReaderTests.StatusOf(() => stream.ReadByte()));
            Assert.Equal(expected, SavedStateReaderTests.StatusOf(() => stream.ReadByte()));
        }
    }

    [Fact]
    public void A_table_of_methods_is_a_stream()
    {
        var (file, closed) = (new MemoryStream(), (bool?)null);
        var methods = new SavedStateStreamMethods
        {
            Write = (offset, octets) =>
            {
                Assert.Equal(file.Position, offset);
                file.Write(octets);
            },
            Read = (offset, octets) =>
            {
                file.Position = offset;
                return file.Read(octets[..Math.Min(octets.Length, 3)]);
            },
            Seek = file.Seek,
            Tell = () => file.Position,
            Size = () => file.Length,
            Close = cancelled => closed = cancelled,
        };
        using (var stream = methods.ToStream())
        {
            var writer = new SavedStateWriter(stream, new SavedStateHeader());
            writer.BeginUnit("u", 0, 1, 0);
            writer.Write(new byte[10_000]);
            writer.EndUnit();
            writer.Finish();
            stream.Position = 0;
            var reader = SavedStateReader.Open(stream);
            reader.Seek("u", 0);
            Assert.Equal(new byte[10_000], SavedStateReaderTests.ReadUnit(reader));
            stream.Cancel();
        }
        Assert.True(closed);
        Assert.Equal(SavedStateStatus.InvalidMagic, SavedStateReaderTests.StatusOf(() => (methods with { EndVersion = 1 }).ToStream()));
        Assert.Equal(SavedStateStatus.InvalidParameter, SavedStateReaderTests.StatusOf(() => (methods with { Seek = null }).ToStream()));
        var forward = (methods with { Seek = (_, _) => throw new NotSupportedException() }).ToStream();
        Assert.False(forward.CanSeek);
    }

    private async Task<bool> ServeAsync()
    {
        var target = new TeleportTarget(_targetSocket!.GetStream(), _machine);
        Assert.True(await target.AcceptAsync(Password, TimeProvider.System, Token));
        return await target.ServeAsync(Token);
    }

    private sealed class Machine : ITeleportedMachine
    {
        public List<string> Units { get; } = [];

        public bool IsLocked { get; private set; }

        public SnapshotException? Failure { get; set; }

        public async Task LoadAsync(Stream stream, CancellationToken cancellation)
        {
            var reader = await SavedStateReader.OpenAsync(stream, cancellation);
            while (await reader.NextUnitAsync(cancellation) is { } unit)
            {
                if (Failure is not null) throw Failure;
                Units.Add(unit.Name);
            }
        }

        public Task<bool> LockMediaAsync(CancellationToken cancellation) => Task.FromResult(IsLocked = true);
    }
}
