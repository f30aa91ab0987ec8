using System.Numerics;
using System.Runtime.InteropServices;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Gathers one guest's part of a checkpoint while sections are appended. Later pages take the place of earlier ones, pages that became zero
/// are taken out. Needs 16 octets per extent that has pages, and as much per further section an extent is spread over. Filled through
/// <see cref="CheckpointWriter"/>, whose lock it shares.
/// </summary>
public sealed class GuestManifestBuilder
{
    private const int LeafLength = 1024;
    private const int None = -1;

    private readonly List<SectionRef> _sections = [];
    private readonly List<bool> _isReused = [];
    private readonly Dictionary<Digest, int> _numbers = [];
    private readonly List<Slot> _slots = [];
    private readonly int[]?[][] _leaves;
    private readonly HashSet<(int Block, int Extent)> _crowded = [];
    private readonly List<DeviceInfo> _devices = [];
    private int _free = None;

    internal GuestManifestBuilder(string name, IReadOnlyList<RamBlock> blocks)
    {
        Name = name;
        Blocks = blocks;
        _leaves = [.. blocks.Select(block => new int[]?[(block.ExtentCount + LeafLength - 1) / LeafLength])];
    }

    /// <summary>The guest's name.</summary>
    public string Name { get; }

    /// <summary>The guest's RAM blocks; extents name a block by its place here.</summary>
    public IReadOnlyList<RamBlock> Blocks { get; }

    /// <summary>What the guest is, as of the cut. Must be set before the commit; its blocks must be <see cref="Blocks"/>.</summary>
    public GuestDescription? Description { get; set; }

    /// <summary>What the job notes about the guest, as JSON: passes, votes, the pause.</summary>
    public string Record { get; set; } = "{}";

    /// <summary>Octets added to packs for this guest so far.</summary>
    public long StoredBytes { get; internal set; }

    /// <summary>Extents that are spread over more sections than a manifest takes. The commit stores them again from what is stored, so
    /// nobody has to act.</summary>
    internal IReadOnlyCollection<(int Block, int Extent)> Crowded => _crowded;

    internal IReadOnlyList<SectionRef> Sections => _sections;

    /// <summary>The number of a section in this guest's manifest.</summary>
    /// <param name="section">The section.</param>
    /// <param name="isReused">True when it was stored before this job.</param>
    internal int Number(SectionRef section, bool isReused)
    {
        if (_numbers.TryGetValue(section.Identity, out var number)) return number;
        if (_sections.Count == ManifestEntry.MaxSections)
            throw new SnapshotException(
                ErrorCode.Incompatible, $"guest '{Name}' has more than {ManifestEntry.MaxSections} sections", "take it with fewer passes");
        number = _sections.Count;
        _sections.Add(section);
        _isReused.Add(isReused);
        _numbers.Add(section.Identity, number);
        return number;
    }

    /// <summary>Notes what a chunk says about its extents.</summary>
    /// <param name="block">Number of the RAM block.</param>
    /// <param name="extents">Its extents.</param>
    /// <param name="section">Number of the section with the pages present; nothing when there are none.</param>
    /// <exception cref="ArgumentException">A page is outside of the block.</exception>
    internal void Apply(int block, ReadOnlySpan<ExtentPages> extents, int section)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)block, (uint)Blocks.Count, nameof(block));
        foreach (var extent in extents)
        {
            if ((uint)extent.Extent >= (uint)Blocks[block].ExtentCount
                || ((extent.Present | extent.Zero) & ~ManifestFormat.PagesOf(Blocks[block], extent.Extent)) != 0)
            {
                throw new ArgumentException(
                    $"extent {extent.Extent} has pages outside of RAM block '{Blocks[block].Name}'", nameof(extents));
            }
        }
        var ordinal = 0;
        foreach (var extent in extents)
        {
            var count = Remove(block, extent.Extent, extent.Present | extent.Zero);
            if (extent.Present != 0)
            {
                Push(block, extent.Extent, new ManifestEntry(ManifestEntry.PlaceOf(section, ordinal++), extent.Present));
                count++;
            }
            if (count > BlockMap.MaxEntries) _crowded.Add((block, extent.Extent));
            else if (_crowded.Count > 0) _crowded.Remove((block, extent.Extent));
        }
    }

    /// <summary>Notes a device; one of the same key takes the place of the earlier.</summary>
    internal void Apply(DeviceInfo device)
    {
        var index = _devices.FindIndex(other => other.Unit == device.Unit);
        if (index < 0) _devices.Add(device);
        else _devices[index] = device;
    }

    /// <summary>Starts from another manifest: its pages are this one's until others take their place. Only before anything else.</summary>
    internal void StartFrom(GuestManifest manifest, IReadOnlyList<SectionRef> sections)
    {
        var pairs = BlockPairing.Of(Blocks, manifest.Blocks);
        for (var block = 0; block < Blocks.Count; block++)
        {
            if (pairs[block] is not { } from) continue;
            var map = manifest.Maps[from];
            for (var index = 0; index < map.Extents.Length; index++)
            {
                foreach (var entry in map.EntriesAt(index))
                {
                    var number = Number(sections[entry.Section], isReused: true);
                    Push(block, map.Extents[index], entry with { Place = ManifestEntry.PlaceOf(number, entry.Ordinal) });
                }
            }
        }
    }

    /// <summary>Where the pages noted so far are, in this builder's own numbers of sections.</summary>
    internal IReadOnlyList<BlockMap> Maps => [.. Blocks.Select((_, block) => MapOf(block))];

    /// <summary>Takes out what was noted of some pages, as if nothing had been said of them.</summary>
    internal void Drop(int block, ExtentPages pages) => Remove(block, pages.Extent, pages.Present);

    /// <summary>The entries of an extent, newest first.</summary>
    internal List<ManifestEntry> EntriesOf(int block, int extent)
    {
        var entries = new List<ManifestEntry>();
        for (var slot = Head(block, extent); slot != None; slot = _slots[slot].Next) entries.Add(_slots[slot].Entry);
        return entries;
    }

    /// <summary>The finished manifest, without root digest; its sections are numbered in the order of their first use.</summary>
    /// <param name="content">Octets of pages in it.</param>
    /// <param name="reused">Of those, octets of pages that were stored before this job, or that another page of this guest is stored for.</param>
    internal GuestManifest Build(out long content, out long reused)
    {
        if (_crowded.Count > 0) throw new InvalidOperationException("Extents are still to be stored again.");
        var description = Description ?? throw new InvalidOperationException($"Guest '{Name}' has no description.");
        long contentOctets = 0, reusedOctets = 0;
        var numbers = new int[_sections.Count];
        Array.Fill(numbers, None);
        var sections = new List<Digest>();
        var named = new Dictionary<uint, ulong>();
        var maps = new BlockMap[Blocks.Count];
        for (var block = 0; block < maps.Length; block++)
        {
            maps[block] = MapOf(block).Convert(entry =>
            {
                contentOctets += Octets(entry.Mask);
                ref var before = ref CollectionsMarshal.GetValueRefOrAddDefault(named, entry.Place, out _);
                // A page that is named twice is stored once.
                reusedOctets += _isReused[entry.Section] ? Octets(entry.Mask) : Octets(entry.Mask & before);
                before |= entry.Mask;
                return entry with { Place = ManifestEntry.PlaceOf(Renumber(entry.Section, numbers, sections), entry.Ordinal) };
            });
        }
        var devices = _devices.ConvertAll(device => device with
        {
            StateSections = Array.ConvertAll(device.StateSections, section => Renumber(section, numbers, sections)),
            DescriptionSections = Array.ConvertAll(device.DescriptionSections, section => Renumber(section, numbers, sections)),
        });
        (content, reused) = (contentOctets, reusedOctets);
        return new GuestManifest(Name, default, description, Record, Blocks, maps, devices, [.. sections]);

        static long Octets(ulong pages) => BitOperations.PopCount(pages) * (long)Paging.PageSize;
    }

    private BlockMap MapOf(int block)
    {
        var extents = new List<int>();
        var first = new List<int>();
        var entries = new List<ManifestEntry>();
        var leaves = _leaves[block];
        for (var extent = 0; extent < Blocks[block].ExtentCount; extent++)
        {
            if (leaves[extent / LeafLength] is not { } leaf)
            {
                extent |= LeafLength - 1;
                continue;
            }
            var slot = leaf[extent % LeafLength];
            if (slot == None) continue;
            extents.Add(extent);
            first.Add(entries.Count);
            for (; slot != None; slot = _slots[slot].Next) entries.Add(_slots[slot].Entry);
        }
        first.Add(entries.Count);
        return new BlockMap([.. extents], [.. first], [.. entries]);
    }

    private int Renumber(int section, int[] numbers, List<Digest> sections)
    {
        if (numbers[section] != None) return numbers[section];
        numbers[section] = sections.Count;
        sections.Add(_sections[section].Identity);
        return numbers[section];
    }

    private int Head(int block, int extent) => _leaves[block][extent / LeafLength] is { } leaf ? leaf[extent % LeafLength] : None;

    private void Push(int block, int extent, ManifestEntry entry)
    {
        ref var leaf = ref _leaves[block][extent / LeafLength];
        if (leaf is null)
        {
            leaf = new int[LeafLength];
            Array.Fill(leaf, None);
        }
        ref var head = ref leaf[extent % LeafLength];
        var slot = _free;
        if (slot == None)
        {
            slot = _slots.Count;
            _slots.Add(default);
        }
        else
        {
            _free = _slots[slot].Next;
        }
        _slots[slot] = new Slot(entry, head);
        head = slot;
    }

    /// <summary>Takes pages out of the entries of an extent.</summary>
    /// <returns>How many entries are left.</returns>
    private int Remove(int block, int extent, ulong pages)
    {
        if (_leaves[block][extent / LeafLength] is not { } leaf) return 0;
        var slots = CollectionsMarshal.AsSpan(_slots);
        ref var link = ref leaf[extent % LeafLength];
        var count = 0;
        while (link != None)
        {
            ref var slot = ref slots[link];
            var rest = slot.Entry.Mask & ~pages;
            if (rest != 0)
            {
                slot.Entry = slot.Entry with { Mask = rest };
                link = ref slot.Next;
                count++;
                continue;
            }
            var freed = link;
            link = slot.Next;
            slot.Next = _free;
            _free = freed;
        }
        return count;
    }

    private struct Slot(ManifestEntry entry, int next)
    {
        public ManifestEntry Entry = entry;
        public int Next = next;
    }
}
