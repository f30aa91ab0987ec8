using Cutpoint.Formats.Ber;
using FsCheck;
using FsCheck.Fluent;

namespace Cutpoint.Shared.Tests.Formats.Ber;

public class BerRoundTripTests
{
    private static readonly Gen<int> _lengths =
        Gen.OneOf(Gen.Choose(0, 40), Gen.Elements(127, 128, 255, 256, 4096, 65535, 65536, 65537, 300_000));

    [Fact]
    public void Any_tree_of_values_reads_as_it_was_written_with_lengths_of_either_form()
    {
        var trees = Tree(depth: 5);
        Prop.ForAll(trees.ToArbitrary(), tree =>
        {
            using var stream = new MemoryStream();
            using var writer = new BerWriter(stream);
            tree.Write(writer);
            writer.Flush();
            stream.Position = 0;
            using var fromStream = new BerReader(stream);
            using var fromMemory = new BerReader(stream.ToArray());
            var spans = new BerSpanReader(stream.ToArray());
            return tree.Equals(Node.Read(fromStream)) && !fromStream.Read()
                && tree.Equals(Node.Read(fromMemory)) && !fromMemory.Read()
                && tree.Equals(Node.Read(ref spans)) && spans.IsAtEnd
                && tree.Length == writer.Position;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Any_state_reads_as_it_was_written()
    {
        var states = State(depth: 4, mayHaveSubsections: true);
        Prop.ForAll(states.ToArbitrary(), state =>
        {
            using var stream = new MemoryStream();
            using var values = new BerWriter(stream);
            var writer = new BerSnapshotWriter(values);
            writer.BeginFile();
            writer.BeginSection("dev", 1, 0, 1);
            writer.BeginState();
            WriteItems(writer, state);
            writer.EndState();
            writer.EndSection();
            writer.EndFile();
            values.Flush();
            stream.Position = 0;
            using var reader = new BerSnapshotReader(stream);
            while (reader.Event != BerSnapshotEvent.GroupStart) reader.Read();
            var read = reader.ReadState();
            while (reader.Read()) Assert.NotEqual(BerSnapshotEvent.Integer, reader.Event);
            return Describe(state) == Describe(read);
        }).QuickCheckThrowOnFailure();
    }

    private static Gen<Node> Tree(int depth)
    {
        var tags = from tagClass in Gen.Elements(BerTagClass.Application, BerTagClass.Context, BerTagClass.Private)
                   from number in Gen.Elements<uint>(0, 1, 30, 31, 32, 127, 128, 16383, 16384, 1270481, uint.MaxValue)
                   select new BerTag(tagClass, number);
        var primitives = from tag in tags
                         from length in _lengths
                         from seed in Gen.Choose(0, int.MaxValue)
                         select new Node(tag, false, Octets(length, seed), []);
        if (depth == 0) return primitives;
        var constructed = from tag in tags
                          from definite in Gen.Elements(true, false)
                          from children in Tree(depth - 1).ListOf(3)
                          from count in Gen.Choose(0, 3)
                          select new Node(tag, definite, null, [.. children.Take(count)]);
        return Gen.OneOf(primitives, constructed);
    }

    private static Gen<BerItem.Group> State(int depth, bool mayHaveSubsections)
    {
        var leaves = Gen.OneOf(
            ArbMap.Default.GeneratorFor<long>().Select(value => (BerItem)new BerItem.Number(new BerStateInteger(value))),
            ArbMap.Default.GeneratorFor<ulong>().Select(value => (BerItem)new BerItem.Number(new BerStateInteger(value))),
            Gen.Elements(true, false).Select(value => (BerItem)new BerItem.Flag(value)),
            Gen.Choose(0, 255).Select(length => (BerItem)new BerItem.Text(Enumerable.Repeat((byte)'x', length).ToArray())),
            _lengths.SelectMany(length => Gen.Choose(0, 99).Select(seed => (BerItem)new BerItem.Buffer(Octets(length, seed)))));
        var items = depth == 0 ? leaves : Gen.OneOf(leaves, State(depth - 1, mayHaveSubsections).Select(group => (BerItem)group));
        var subsections = mayHaveSubsections && depth > 0
            ? from state in State(depth - 1, false)
              from version in Gen.Choose(0, int.MaxValue)
              select new BerSubsection("dev/sub", (uint)version, state)
            : null;
        return from list in items.ListOf(4)
               from count in Gen.Choose(0, 4)
               from some in subsections?.ListOf(2) ?? Gen.Constant(new List<BerSubsection>())
               from sections in Gen.Choose(0, 2)
               select new BerItem.Group(BerTag.Sequence, [.. list.Take(count)], [.. some.Take(sections)]);
    }

    private static byte[] Octets(int length, int seed)
    {
        var octets = new byte[length];
        new Random(seed).NextBytes(octets);
        return octets;
    }

    private static void WriteItems(BerSnapshotWriter writer, BerItem.Group group)
    {
        foreach (var item in group.Items)
        {
            switch (item)
            {
                case BerItem.Number { Value.Value: var value } when value < 0:
                    writer.WriteInteger((long)value);
                    break;
                case BerItem.Number { Value.Value: var value }:
                    writer.WriteInteger((ulong)value);
                    break;
                case BerItem.Flag flag:
                    writer.WriteBoolean(flag.Value);
                    break;
                case BerItem.Text text:
                    writer.WriteText(text.ToString());
                    break;
                case BerItem.Buffer buffer:
                    writer.BeginBuffer(buffer.Octets.Length);
                    writer.WriteOctets(buffer.Octets.Span);
                    break;
                case BerItem.Group inner:
                    writer.BeginStruct();
                    WriteItems(writer, inner);
                    writer.EndStruct();
                    break;
            }
        }

        if (group.Subsections.Count == 0) return;
        writer.BeginSubsections();
        foreach (var subsection in group.Subsections)
        {
            writer.BeginSubsection(subsection.Name, subsection.VersionId);
            writer.BeginState();
            WriteItems(writer, subsection.State);
            writer.EndState();
            writer.EndSubsection();
        }

        writer.EndSubsections();
    }

    private static string Describe(BerItem item) => item switch
    {
        BerItem.Group group => $"{group.Tag}({string.Join(' ', group.Items.Select(Describe))}"
            + $"{string.Concat(group.Subsections.Select(sub => $" {sub.Name}:{sub.VersionId}{Describe(sub.State)}"))})",
        BerItem.Buffer buffer => Convert.ToHexString(buffer.Octets.Span),
        _ => item.ToString()!,
    };

    private sealed record Node(BerTag Tag, bool IsDefinite, byte[]? Contents, IReadOnlyList<Node> Children)
    {
        private long ContentLength => Contents?.Length ?? Children.Sum(child => child.Length);

        public long Length => Contents is null && !IsDefinite
            ? BerHeader.Measure(Tag, BerHeader.Indefinite) + ContentLength + 2
            : BerHeader.Measure(Tag, ContentLength) + ContentLength;

        public void Write(BerWriter writer)
        {
            if (Contents is not null)
            {
                writer.WritePrimitive(Tag, Contents);
                return;
            }

            writer.BeginConstructed(Tag, IsDefinite ? ContentLength : BerHeader.Indefinite);
            foreach (var child in Children) child.Write(writer);
            writer.EndConstructed();
        }

        public static Node Read(BerReader reader)
        {
            Assert.True(reader.Read());
            return ReadCurrent(reader);
        }

        public static Node Read(ref BerSpanReader reader)
        {
            var header = reader.Peek();
            if (!header.IsConstructed) return new Node(header.Tag, false, reader.ReadPrimitive(header.Tag).ToArray(), []);
            var inner = reader.ReadConstructed(header.Tag);
            var children = new List<Node>();
            while (!inner.IsAtEnd) children.Add(Read(ref inner));
            return new Node(header.Tag, !header.IsIndefinite, null, children);
        }

        public bool Equals(Node? other) => other is not null && Tag == other.Tag
            && (Contents is null
                ? other.Contents is null && IsDefinite == other.IsDefinite && Children.SequenceEqual(other.Children)
                : other.Contents is not null && Contents.AsSpan().SequenceEqual(other.Contents));

        public override int GetHashCode() => HashCode.Combine(Tag, Contents?.Length, Children.Count);

        private static Node ReadCurrent(BerReader reader)
        {
            var header = reader.Header;
            if (!header.IsConstructed)
            {
                if (reader.IsBuffered) return new Node(header.Tag, false, reader.Contents.ToArray(), []);
                var contents = new List<byte>();
                while (reader.ReadFragment()) contents.AddRange(reader.Contents);
                return new Node(header.Tag, false, [.. contents], []);
            }

            var children = new List<Node>();
            while (reader.Read() && reader.Token != BerToken.End) children.Add(ReadCurrent(reader));
            return new Node(header.Tag, !header.IsIndefinite, null, children);
        }
    }
}
