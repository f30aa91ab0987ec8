namespace Cutpoint.Durability;

/// <summary>A node as the registry has it.</summary>
/// <param name="Name">Its name; no two that live have the same.</param>
/// <param name="Roles">What it is there for: <c>worker</c>, <c>coordinator</c>, or both with a comma.</param>
/// <param name="Address">Where coordinators reach it, HOST:PORT; empty for a node that serves no guests.</param>
/// <param name="Program">The version of its program.</param>
/// <param name="Epoch">Rises with every process that takes the name.</param>
/// <param name="JoinedAt">Since when, by the database's clock.</param>
/// <param name="LostAt">When its lease ran out, by the database's clock; null while it lives.</param>
public sealed record RegisteredNode(string Name, string Roles, string Address, string Program, long Epoch, DateTimeOffset JoinedAt, DateTimeOffset? LostAt)
{
    /// <summary>True while its lease lasts.</summary>
    public bool IsAlive => LostAt is null;

    /// <summary>True for a node that has a role.</summary>
    public bool Has(string role) => Roles.Split(',').Contains(role, StringComparer.Ordinal);
}
