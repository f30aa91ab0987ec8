using Cutpoint.Formats.Ssm;
using Cutpoint.Units;

namespace Cutpoint.Shared.Tests.Units;

public sealed class UnitRegistryTests
{
    private readonly UnitRegistry _registry = new();
    private readonly object _owner = new();
    private readonly object _other = new();

    [Theory]
    [InlineData("x", SavedStateStatus.Ok)]
    [InlineData("", SavedStateStatus.InvalidParameter)]
    [InlineData("0123456789012345678901234567890123456789012345", SavedStateStatus.Ok)]
    [InlineData("012345678901234567890123456789012345678901234567", SavedStateStatus.OutOfRange)]
    [InlineData("ääääääääääääääääääääääää", SavedStateStatus.OutOfRange)]
    public void A_name_has_1_to_47_octets(string name, SavedStateStatus status) =>
        Assert.Equal(status, Try(() => _registry.Register(Internal(name))));

    [Fact]
    public void The_name_limit_can_be_set_for_machines_with_longer_names()
    {
        var registry = new UnitRegistry(255);
        registry.Register(Internal(new string('n', 255)));
        Assert.Equal(SavedStateStatus.OutOfRange, Try(() => registry.Register(Internal(new string('n', 256)))));
    }

    [Fact]
    public void A_unit_goes_before_the_first_of_that_name_whatever_its_kind_and_instance()
    {
        _registry.Register(Internal("a"));
        _registry.Register(Internal("b", 7));
        _registry.Register(Internal("b", 1));
        _registry.Register(Owned(UnitKind.Device, "new", 0) with { Before = "b" });
        Assert.Equal(["a/0", "new/0", "b/7", "b/1"], Names);
    }

    [Fact]
    public void Kinds_share_one_space_of_keys()
    {
        _registry.Register(Internal("x"));
        Assert.Equal(SavedStateStatus.UnitExists, Try(() => _registry.Register(Owned(UnitKind.Device, "x", 0))));
        Assert.Equal(SavedStateStatus.Ok, Try(() => _registry.Register(Owned(UnitKind.Device, "x", 1))));
    }

    [Fact]
    public void Only_devices_can_be_placed_and_only_owned_kinds_have_owners()
    {
        Assert.Equal(SavedStateStatus.InvalidParameter, Try(() => _registry.Register(Internal("x") with { Before = "y" })));
        Assert.Equal(SavedStateStatus.InvalidParameter, Try(() => _registry.Register(Owned(UnitKind.Device, "x", 0) with { Before = "" })));
        Assert.Equal(SavedStateStatus.InvalidParameter, Try(() => _registry.Register(Owned(UnitKind.Device, "x", 0) with { Owner = null })));
        Assert.Equal(SavedStateStatus.InvalidParameter, Try(() => _registry.Register(Internal("x") with { Owner = _owner })));
    }

    [Fact]
    public void A_device_is_removed_by_owner_instance_and_name()
    {
        Fill();
        Assert.Equal(SavedStateStatus.UnitNotFound, Try(() => _registry.Deregister(UnitKind.Device, _owner, 0, "nobody")));
        Assert.Equal(SavedStateStatus.UnitNotFound, Try(() => _registry.Deregister(UnitKind.Device, _owner, 9, "dev")));
        Assert.Equal(SavedStateStatus.UnitNotOwner, Try(() => _registry.Deregister(UnitKind.Device, _other, 0, "dev")));
        Assert.Equal(SavedStateStatus.UnitNotFound, Try(() => _registry.Deregister(UnitKind.Driver, _owner, 0, "dev")));
        Assert.Equal(SavedStateStatus.Ok, Try(() => _registry.Deregister(UnitKind.Device, _owner, 0, "dev")));
        Assert.Equal(["dev/1", "dev2/0", "drv/0", "drv/1", "int/3", "int/4"], Names);
    }

    [Fact]
    public void Without_a_name_all_units_of_an_owner_go_and_for_a_device_only_of_that_instance()
    {
        Fill();
        _registry.Deregister(UnitKind.Device, _owner, 0);
        Assert.Equal(["dev/1", "drv/0", "drv/1", "int/3", "int/4"], Names);
        _registry.Deregister(UnitKind.Driver, _owner, 77);
        Assert.Equal(["dev/1", "int/3", "int/4"], Names);
        _registry.Deregister(UnitKind.Driver, _owner, 0);
        Assert.Equal(3, Names.Count());
    }

    [Fact]
    public void An_internal_unit_is_removed_by_name_the_first_of_its_kind()
    {
        Fill();
        Assert.Equal(SavedStateStatus.UnitNotFound, Try(() => _registry.Deregister(UnitKind.External, "int")));
        Assert.Equal(SavedStateStatus.Ok, Try(() => _registry.Deregister(UnitKind.Internal, "int")));
        Assert.Equal("int/4", Names.Last());
        Assert.Equal(SavedStateStatus.InvalidParameter, Try(() => _registry.Deregister(UnitKind.Device, "dev")));
        Assert.Equal(SavedStateStatus.InvalidParameter, Try(() => _registry.Deregister(UnitKind.Internal, _owner, 4, "int")));
    }

    private IEnumerable<string> Names => _registry.Units.Select(u => u.Key.ToString());

    private void Fill()
    {
        _registry.Register(Owned(UnitKind.Device, "dev", 0));
        _registry.Register(Owned(UnitKind.Device, "dev", 1));
        _registry.Register(Owned(UnitKind.Device, "dev2", 0));
        _registry.Register(Owned(UnitKind.Driver, "drv", 0));
        _registry.Register(Owned(UnitKind.Driver, "drv", 1));
        _registry.Register(Internal("int", 3));
        _registry.Register(Internal("int", 4));
    }

    private static UnitRegistration Internal(string name, uint instance = 0) => new(UnitKind.Internal, new(name, instance), 1, 0, new());

    private UnitRegistration Owned(UnitKind kind, string name, uint instance) => new(kind, new(name, instance), 1, 0, new()) { Owner = _owner };

    private static SavedStateStatus Try(Action action) => UnitException.StatusOf(Record.Exception(action));
}
