using System.Text;
using Cutpoint.Formats.Ssm;
using Cutpoint.Formats.Ssm.Teleport;

namespace Cutpoint.Fuzz.Targets;

/// <summary>What a source of a teleportation sends to its target, lines and frames with a saved state inside; and what a target answers a source.</summary>
public sealed class TeleportTarget : FuzzTarget
{
    private const string Password = "secret";

    public override string Name => "teleport";

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        "\n"u8.ToArray(), "load\n"u8.ToArray(), "lock-media\n"u8.ToArray(), "hand-over-resume\n"u8.ToArray(), "cancel\n"u8.ToArray(), "ACK\n"u8.ToArray(), "NACK="u8.ToArray(),
        ";"u8.ToArray(), [0x05, 0x12, 0x47, 0x19], [0x05, 0x12, 0x47, 0x19, 0, 0, 0, 0], [0x05, 0x12, 0x47, 0x19, 0xff, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0x00], [0xf8, 0xff, 0xff, 0x00],
    ];

    public override void Read(byte[] octets, Random random)
    {
        var connection = new ForwardStream(octets);
        if (octets.AsSpan().StartsWith("VirtualBox"u8)) Send(new TeleportSource(connection)).GetAwaiter().GetResult();
        else Receive(new Formats.Ssm.Teleport.TeleportTarget(connection, new Machine(random))).GetAwaiter().GetResult();
    }

    protected override IEnumerable<byte[]> Golden()
    {
        foreach (var state in GoldenFiles.Of("Ssm", "*.sav").Where(state => state.Length < 2000 && state[27] == '2'))
        {
            yield return Session(state, state.Length, "hand-over-resume\n");
            yield return Session(state, 100, "hand-over-paused\n");
        }
        yield return Encoding.ASCII.GetBytes("VirtualBox-Teleporter-1.0\nACK\nACK\nACK\nACK\nACK\n");
    }

    private static byte[] Session(byte[] state, int frame, string end)
    {
        var octets = new MemoryStream();
        octets.Write(Encoding.ASCII.GetBytes($"{Password}\nload\n"));
        var frames = new TeleportSourceStream(octets);
        foreach (var part in state.Chunk(frame)) frames.Write(part);
        frames.CompleteAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
        octets.Write(Encoding.ASCII.GetBytes($"lock-media\n{end}"));
        return octets.ToArray();
    }

    private static async Task Receive(Formats.Ssm.Teleport.TeleportTarget target)
    {
        if (await target.AcceptAsync(Password, ImmediateTime.Instance, CancellationToken.None)) await target.ServeAsync(CancellationToken.None);
    }

    private static async Task Send(TeleportSource source)
    {
        try
        {
            await source.LogInAsync(Password, CancellationToken.None);
            await source.LoadAsync((stream, cancellation) => stream.WriteAsync(new byte[10], cancellation).AsTask(), CancellationToken.None);
            await source.LockMediaAsync(CancellationToken.None);
            await source.HandOverAsync(paused: false, CancellationToken.None);
        }
        catch (TeleportRefusedException)
        {
            // The other side says no in a proper way, and may say so to anything.
        }
    }

    private sealed class Machine(Random random) : ITeleportedMachine
    {
        public async Task LoadAsync(Stream stream, CancellationToken cancellation)
        {
            // What is left of the frames is drained by whoever has called.
            if (random.Next(2) == 0) return;
            var reader = await SavedStateReader.OpenAsync(stream, cancellation);
            var data = new byte[1000];
            while (await reader.NextUnitAsync(cancellation) is not null)
            {
                while (await reader.ReadAsync(data, cancellation) > 0)
                {
                }

                await reader.EndAsync(cancellation);
            }
        }

        public Task<bool> LockMediaAsync(CancellationToken cancellation) => Task.FromResult(random.Next(8) != 0);
    }

    /// <summary>The delay of a refusal is over at once.</summary>
    private sealed class ImmediateTime : TimeProvider
    {
        public static readonly ImmediateTime Instance = new();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, TimeSpan.Zero, period);
    }
}
