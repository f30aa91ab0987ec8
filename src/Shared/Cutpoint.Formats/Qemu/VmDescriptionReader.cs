namespace Cutpoint.Formats.Qemu;

internal static class VmDescriptionReader
{
    public static VmDescription Read(ReadOnlyMemory<byte> json, long streamOffset) => throw new NotSupportedException();

    public static DeviceDescription ReadDevice(ReadOnlyMemory<byte> json) => throw new NotSupportedException();
}
