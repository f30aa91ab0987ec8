using Cutpoint.Formats;

namespace Cutpoint.Repository;

/// <summary>
/// What can be seen of an encrypted repository without its key: modes, jobs, locks, and whether the packs are sequences of whole values. Whether the values are
/// what was written only the key can tell.
/// </summary>
internal sealed class SealedStructure(RepositoryPaths paths, Ulid repository, JobRegistry jobs)
{
    /// <summary>Looks at the packs.</summary>
    public IEnumerable<DoctorFinding> Examine(CancellationToken cancellation)
    {
        foreach (var id in PackListing.Read(paths.Packs).Packs)
        {
            cancellation.ThrowIfCancellationRequested();
            if (Examine(id) is { } finding) yield return finding;
        }
    }

    private DoctorFinding? Examine(PackId id)
    {
        // Headers of values are in the clear, and this reads nothing else.
        using var file = PackFile.Open(paths.Packs, id, null);
        var length = file.Length;
        long offset = 0;
        try
        {
            while (file.ReadHeader(offset, length) is { } header)
            {
                if (offset == 0)
                {
                    var found = PackHeader.Read(file.ReadValue(0, Math.Min(header.TotalLength, PackHeader.MaxLength)));
                    if (found.Repository != repository) return new DoctorFinding(DoctorSeverity.Note, $"pack {id} belongs to another repository", "move it away");
                    if (!found.IsSealed || found.Pack != id) throw PackFormat.Damaged(0, "the header is not that of this pack");
                }
                else if (header.Tag != PackFormat.SealedTag)
                {
                    throw PackFormat.Damaged(offset, $"{header.Tag} where an encrypted value is due");
                }
                offset += header.TotalLength;
            }
            return null;
        }
        catch (MalformedInputException error)
        {
            return jobs.IsOpen(id.Job)
                ? null
                : new DoctorFinding(
                    DoctorSeverity.Damage, $"pack {id}, offset {error.Offset}: {error.Reason}", "run 'cutpoint doctor' and 'cutpoint verify' with the key");
        }
        catch (SnapshotException error)
        {
            return new DoctorFinding(DoctorSeverity.Damage, $"pack {id}: {error.Message}", error.Advice);
        }
    }
}
