namespace Cutpoint.Repository;

/// <summary>The files in the directory of packs.</summary>
/// <param name="Packs">Packs, by job and number.</param>
/// <param name="Strangers">Names of files that are no packs.</param>
internal sealed record PackListing(IReadOnlyList<PackId> Packs, IReadOnlyList<string> Strangers)
{
    public static PackListing Read(string directory)
    {
        var packs = new List<PackId>();
        var strangers = new List<string>();
        try
        {
            foreach (var path in Directory.EnumerateFileSystemEntries(directory))
            {
                var name = Path.GetFileName(path);
                if (name.EndsWith(PackId.Extension, StringComparison.Ordinal)
                    && PackId.TryParse(name.AsSpan()[..^PackId.Extension.Length], out var id) && id.FileName == name)
                    packs.Add(id);
                else
                    strangers.Add(name);
            }
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, directory, "list");
        }
        packs.Sort();
        strangers.Sort(StringComparer.Ordinal);
        return new PackListing(packs, strangers);
    }

    /// <summary>Octets of a pack's file; 0 when it is gone.</summary>
    public static long LengthOf(string directory, PackId pack)
    {
        var file = new FileInfo(Path.Combine(directory, pack.FileName));
        return file.Exists ? file.Length : 0;
    }
}
