using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Tests.Qemu.Preflight;

public sealed class RamBlockTableTests
{
    [Fact]
    public void Tables_of_older_and_newer_QEMUs_are_read()
    {
        const string Older = """
                          Block Name    PSize              Offset               Used              Total
                                ram0    4 KiB  0x0000000000000000 0x0000000004000000 0x0000000004000000
                0000:00:01.0/vga.rom    4 KiB  0x0000000005080000 0x0000000000010000 0x0000000000010000
                /rom@etc/acpi/tables    4 KiB  0x0000000005100000 0x0000000000020000 0x0000000000200000

            """;
        const string Newer = """
                          Block Name    PSize              Offset               Used              Total                HVA  RO
                                ram0    2 MiB  0x0000000000000000 0x0000000004000000 0x0000000004000000 0x00007f12a0000000  rw
                                        4 KiB  0x0000000004000000 0x0000000000040000 0x0000000000040000 0x00007f12a4000000  rw
                0000:00:01.0/vga.rom    4 KiB  0x0000000005080000 0x0000000000010000 0x0000000000010000 0x00007f12a5000000  ro
                /rom@etc/acpi/tables    4 KiB  0x0000000005100000 0x0000000000020000 0x0000000000200000 0x00007f12a6000000  rw

            """;
        RamBlock[] blocks =
        [
            new("ram0", 64 << 20),
            new("0000:00:01.0/vga.rom", 64 << 10, IsReadOnly: true),
            new("/rom@etc/acpi/tables", 128 << 10, IsReadOnly: true),
        ];
        Assert.Equal(blocks, RamBlockTable.Parse(Older));
        Assert.Equal(blocks, RamBlockTable.Parse(Newer));
    }

    [Theory]
    [InlineData("")]
    [InlineData("unknown command: 'info ramblock'\n")]
    [InlineData("Block Name\n ram0 4 KiB 0x0 12 0x0\n")]
    [InlineData("Block Name\n ram0 4 KiB 0x0 0x1001 0x2000\n")]
    [InlineData("Block Name\n ram0 4 KiB 0x0\n")]
    [InlineData("Block Name\n KiB\n")]
    [InlineData("Block Name\n ram0 4 KiB 0x0 0xffffffffffffffff 0x0\n")]
    public void Anything_else_is_refused(string text) =>
        Assert.Equal(ErrorCode.Incompatible, Assert.Throws<SnapshotException>(() => RamBlockTable.Parse(text)).Code);
}
