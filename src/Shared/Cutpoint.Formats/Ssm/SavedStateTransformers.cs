namespace Cutpoint.Formats.Ssm;

/// <summary>The numbers of transformers in the tables of VirtualBox's versions: saved state format, section C.2.</summary>
public static class SavedStateTransformers
{
    /// <summary>Version 3.1's predecessor: its own order, and fewer of them.</summary>
    private static readonly SavedStateTransformer[] Of2009 =
    [
        SavedStateTransformer.Invalid, SavedStateTransformer.None, SavedStateTransformer.GuestPointer, SavedStateTransformer.GuestPhysical,
        SavedStateTransformer.RawPointer, SavedStateTransformer.RawPointerArray, SavedStateTransformer.HostPointerIsSet,
        SavedStateTransformer.HostPointerIsSetArray, SavedStateTransformer.IgnoredHostPointer, SavedStateTransformer.Ignored,
        SavedStateTransformer.Padding, SavedStateTransformer.Padding32, SavedStateTransformer.Padding64, SavedStateTransformer.PaddingAuto,
    ];

    /// <summary>What a number in a table means.</summary>
    /// <param name="number">The number.</param>
    /// <param name="numbering">Whose table it is.</param>
    /// <returns>The transformer, or null: in the original every other value is the address of a callback.</returns>
    public static SavedStateTransformer? FromNumber(int number, SavedStateNumbering numbering)
    {
        if (numbering == SavedStateNumbering.Of2009) return number >= 0 && number < Of2009.Length ? Of2009[number] : null;
        // The zero-extending one was put in between.
        if (numbering == SavedStateNumbering.Before42 && number >= (int)SavedStateTransformer.ZeroExtended) number++;
        return Enum.IsDefined((SavedStateTransformer)number) ? (SavedStateTransformer)number : null;
    }

    /// <summary>The number of a transformer in a table.</summary>
    /// <param name="transformer">The transformer.</param>
    /// <param name="numbering">Whose table it is.</param>
    /// <returns>The number, or null when that version did not have it.</returns>
    public static int? ToNumber(SavedStateTransformer transformer, SavedStateNumbering numbering)
    {
        if (numbering == SavedStateNumbering.Of2009) return Array.IndexOf(Of2009, transformer) is >= 0 and var number ? number : null;
        if (numbering == SavedStateNumbering.Before42)
        {
            if (transformer == SavedStateTransformer.ZeroExtended) return null;
            if (transformer > SavedStateTransformer.ZeroExtended) return (int)transformer - 1;
        }
        return (int)transformer;
    }

    /// <summary>True for members that take no room in a file unless asked to.</summary>
    internal static bool IsIgnored(SavedStateTransformer transformer) =>
        transformer is >= SavedStateTransformer.Ignored and <= SavedStateTransformer.IgnoredHostPointer;

    /// <summary>True for what was a member once.</summary>
    internal static bool IsOld(SavedStateTransformer transformer) =>
        transformer is >= SavedStateTransformer.Old and <= SavedStateTransformer.OldPaddingMicrosoft32;

    /// <summary>True for padding that is part of the structure today.</summary>
    internal static bool IsPadding(SavedStateTransformer transformer) =>
        transformer is >= SavedStateTransformer.Padding and <= SavedStateTransformer.PaddingAutoMicrosoft32;
}
