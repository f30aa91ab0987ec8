using Cutpoint.Formats.Ber;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

// What goes into packs, and when one is finished.
public sealed partial class CheckpointWriter
{
    private SectionRef? Find(Digest identity)
    {
        if (_own.TryGetValue(identity, out var own)) return own;
        _registration.CheckOwned();
        if (_repository.Catalog.FindAndPin(identity, Id) is not { } found) return null;
        var length = _lengths.GetOrAdd(found.Pack, pack => PackListing.LengthOf(_repository.Paths.Packs, pack));
        if (found.Offset + found.Length <= length) return found;
        // The pack is gone or cut short: the content is stored again, and takes the lost one's place.
        _repository.Catalog.Mark([identity], areDamaged: true);
        return null;
    }

    private int[] StoreState(GuestManifestBuilder guest, ReadOnlySpan<byte> octets)
    {
        var sections = new int[DeviceInfo.SectionCount(octets.Length)];
        for (var index = 0; index < sections.Length; index++)
        {
            var start = index * Paging.SectionSize;
            using var section = _encoder.Encode(octets.Slice(start, Math.Min(Paging.SectionSize, octets.Length - start)));
            sections[index] = Store(guest, section);
        }
        return sections;
    }

    private int Store(GuestManifestBuilder guest, EncodedSection section)
    {
        // Equal chunks may have been encoded side by side; the first to come is the one that is stored.
        if (_own.TryGetValue(section.Identity, out var own)) return guest.Number(own, isReused: false);
        if (section.Existing is { } existing) return guest.Number(existing, isReused: true);
        var pack = PackWithRoom(section.Length);
        own = pack.Append(PackFormat.SectionTag, section.Identity, section.Value).In(pack.Id);
        WrittenBytes += own.Length;
        guest.StoredBytes += own.Length;
        _own[section.Identity] = own;
        return guest.Number(own, isReused: false);
    }

    private PackWriter PackWithRoom(int length)
    {
        if (_pack is not null && _pack.Length + length > _options.PackSize) FinishPack();
        if (_pack is not null) return _pack;
        return _pack = CreatePack();
    }

    private PackWriter CreatePack()
    {
        var id = new PackId(Id, ++_lastPack);
        _paths.Add(Path.Combine(_repository.Paths.Packs, id.FileName));
        return PackWriter.Create(
            _repository.Paths.Packs, new PackHeader(_repository.Id, id, _repository.Protection is not null), _repository.Protection);
    }

    /// <summary>
    /// Finishes the pack and makes it durable beside the work that goes on. Waits for the pack before it, so that no more than two are ever
    /// on their way to the disk and its errors come up here.
    /// </summary>
    private void FinishPack()
    {
        _flushing.GetAwaiter().GetResult();
        WritePlacements();
        var pack = _pack!;
        pack.Finish();
        _finished.Add(new CatalogPack(pack.Id, pack.Length, pack.Entries));
        _pack = null;
        _flushing = pack.CloseAsync();
    }

    private SectionRef AppendValue(BerTag tag, Digest digest, ReadOnlySpan<byte> value)
    {
        var pack = PackWithRoom(value.Length);
        var entry = pack.Append(tag, digest, value);
        WrittenBytes += entry.Length;
        return entry.In(pack.Id);
    }
}
