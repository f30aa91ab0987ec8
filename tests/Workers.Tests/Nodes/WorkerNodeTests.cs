using System.Net;
using System.Net.Sockets;
using Cutpoint.Nodes;
using Cutpoint.Workers.Nodes;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Workers.Tests.Nodes;

/// <summary>Where a worker may listen.</summary>
public sealed class WorkerNodeTests
{
    [Theory]
    [InlineData("0.0.0.0:0")]
    [InlineData("127.0.0.1:0")]
    [InlineData("localhost:0")]
    public async Task Listens_on_an_address_a_name_and_every_address(string address)
    {
        using var node = await WorkerNode.ListenAsync(
            NodeAddress.Parse(address), [], new OverlayUpkeep(new OverlayLedger(), TimeProvider.System),
            new NodeSecret("a secret of at least thirty-two octets"u8), static _ => { }, TimeProvider.System, CancellationToken.None);

        using var client = new TcpClient(node.Address.AddressFamily);
        await client.ConnectAsync(node.Address.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Loopback : IPAddress.IPv6Loopback, node.Address.Port);
        Assert.True(client.Connected);
    }
}
