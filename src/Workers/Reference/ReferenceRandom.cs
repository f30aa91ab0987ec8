using System.Buffers.Binary;
using System.Numerics;

namespace Cutpoint.Workers.Reference;

/// <summary>
/// The guest's source of chance: xoshiro256** by Blackman and Vigna, whose state is a part of the guest's. Not the framework's, which promises no sequence.
/// </summary>
internal sealed class ReferenceRandom
{
    public const int StateSize = 32;

    private readonly ulong[] _state = new ulong[4];

    public ReferenceRandom(ulong seed)
    {
        for (var i = 0; i < 4; i++) _state[i] = Mix(seed + (ulong)i);
    }

    /// <summary>One number of the splitmix64 sequence: a good hash of 64 bits.</summary>
    public static ulong Mix(ulong x)
    {
        x += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    public ulong Next()
    {
        var result = BitOperations.RotateLeft(_state[1] * 5, 7) * 9;
        var t = _state[1] << 17;
        _state[2] ^= _state[0];
        _state[3] ^= _state[1];
        _state[1] ^= _state[2];
        _state[0] ^= _state[3];
        _state[2] ^= t;
        _state[3] = BitOperations.RotateLeft(_state[3], 45);
        return result;
    }

    public void Save(Span<byte> state)
    {
        for (var i = 0; i < 4; i++) BinaryPrimitives.WriteUInt64LittleEndian(state[(8 * i)..], _state[i]);
    }

    public void Load(ReadOnlySpan<byte> state)
    {
        for (var i = 0; i < 4; i++) _state[i] = BinaryPrimitives.ReadUInt64LittleEndian(state[(8 * i)..]);
    }
}
