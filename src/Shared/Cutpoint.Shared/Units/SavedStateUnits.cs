using System.Buffers.Binary;
using System.Text;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>
/// The two units every saved state has: "SSM" says who wrote it, "SSMLiveControl" mirrors a live save's progress to the loading side. Saved state contract,
/// sections A.2, A.8 and D.7. They come first in the registry.
/// </summary>
public sealed class SavedStateUnits
{
    /// <summary>Name of the unit with the progress of a live save.</summary>
    public const string LiveControlName = "SSMLiveControl";

    /// <summary>Name of the unit about the writer.</summary>
    public const string InformationName = "SSM";

    internal const uint Version = 1;

    private const string HostOsVariable = "Host OS";
    private const int MaxVariable = 128;
    private const int MaxValue = 1024;

    private readonly List<(string Variable, string Value)> _loaded = [];

    /// <summary>What the unit says when it is saved: pairs of variable and value.</summary>
    public IReadOnlyList<(string Variable, string Value)> Information { get; init; } = [("Build Type", "release"), (HostOsVariable, "linux.amd64"), ("OSE", "true")];

    /// <summary>What was loaded.</summary>
    public IReadOnlyList<(string Variable, string Value)> Loaded => _loaded;

    /// <summary>The saver's system, such as "win.amd64", once it was loaded; "" before. At most 31 octets.</summary>
    public string SaverOs => _loaded.FirstOrDefault(static pair => pair.Variable == HostOsVariable).Value is { } os ? os[..Math.Min(os.Length, 31)] : "";

    /// <summary>Registers both in an empty registry.</summary>
    /// <exception cref="UnitException">They are registered already.</exception>
    public void Register(UnitRegistry registry)
    {
        registry.Register(new(UnitKind.Internal, new(InformationName, 0), Version, 64, new UnitCallbacks
        {
            LiveExecute = async (context, pass, cancellation) =>
            {
                if (pass != 0) throw new UnitException(SavedStateStatus.UnexpectedPass, $"unit {context.Unit.Key} has nothing to say in pass {pass}");
                await SaveAsync(context, cancellation).ConfigureAwait(false);
                return LiveOutcome.DontCallAgain;
            },
            SaveExecute = (context, cancellation) => new(SaveAsync(context, cancellation)),
            LoadExecute = (context, version, pass, cancellation) => new(LoadAsync(context, version, pass, cancellation)),
        }));
        registry.Register(new(UnitKind.Internal, new(LiveControlName, 0), Version, 1, new UnitCallbacks
        {
            LoadExecute = (context, version, _, cancellation) => new(LoadProgressAsync(context, version, cancellation)),
        }));
    }

    private static async Task LoadProgressAsync(LoadContext context, uint version, CancellationToken cancellation)
    {
        CheckVersion(context, version);
        var octets = new byte[sizeof(ushort)];
        await ReadAsync(context, octets, cancellation).ConfigureAwait(false);
        context.ReportPercent(Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(octets) / 100.0, 100));
    }

    private static void CheckVersion(LoadContext context, uint version)
    {
        if (version != Version)
            throw new UnitException(SavedStateStatus.UnsupportedUnitVersion, $"unit {context.Unit.Key} of version {version}, {Version} is known");
    }

    private static async Task ReadAsync(LoadContext context, Memory<byte> octets, CancellationToken cancellation)
    {
        while (!octets.IsEmpty)
        {
            var count = await context.Source.ReadAsync(octets, cancellation).ConfigureAwait(false);
            if (count == 0) throw new UnitException(SavedStateStatus.LoadedTooMuch, $"unit {context.Unit.Key} ends early");
            octets = octets[count..];
        }
    }

    private static async Task<string> ReadTextAsync(LoadContext context, int limit, CancellationToken cancellation)
    {
        var octets = new byte[sizeof(uint)];
        await ReadAsync(context, octets, cancellation).ConfigureAwait(false);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(octets);
        if (length >= limit) throw new UnitException(SavedStateStatus.TooMuchData, $"unit {context.Unit.Key}: a text of {length} octets");
        octets = new byte[length];
        await ReadAsync(context, octets, cancellation).ConfigureAwait(false);
        return Encoding.UTF8.GetString(octets);
    }

    private static async ValueTask WriteTextAsync(SaveContext context, string text, CancellationToken cancellation)
    {
        var octets = Encoding.UTF8.GetBytes(text);
        var length = new byte[sizeof(uint)];
        BinaryPrimitives.WriteInt32LittleEndian(length, octets.Length);
        await context.Sink.WriteAsync(length, cancellation).ConfigureAwait(false);
        if (octets.Length > 0) await context.Sink.WriteAsync(octets, cancellation).ConfigureAwait(false);
    }

    private async Task SaveAsync(SaveContext context, CancellationToken cancellation)
    {
        foreach (var (variable, value) in Information.Append(("", "")))
        {
            await WriteTextAsync(context, variable, cancellation).ConfigureAwait(false);
            await WriteTextAsync(context, value, cancellation).ConfigureAwait(false);
        }
    }

    private async Task LoadAsync(LoadContext context, uint version, uint pass, CancellationToken cancellation)
    {
        CheckVersion(context, version);
        if (pass is not (0 or UnitRegistration.FinalPass)) throw new UnitException(SavedStateStatus.UnexpectedPass, $"unit {context.Unit.Key} in pass {pass}");
        _loaded.Clear();
        while (true)
        {
            var variable = await ReadTextAsync(context, MaxVariable, cancellation).ConfigureAwait(false);
            var value = await ReadTextAsync(context, MaxValue, cancellation).ConfigureAwait(false);
            if (variable.Length == 0 && value.Length == 0) return;
            _loaded.Add((variable, value));
        }
    }
}
