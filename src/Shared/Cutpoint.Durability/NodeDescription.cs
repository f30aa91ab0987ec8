namespace Cutpoint.Durability;

/// <summary>What a node says of itself when it registers.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Roles">What it is there for: <c>worker</c>, <c>coordinator</c>, or both with a comma.</param>
/// <param name="Address">Where coordinators reach it, HOST:PORT; empty for a node that serves no guests.</param>
/// <param name="Program">The version of its program.</param>
public sealed record NodeDescription(string Name, string Roles, string Address, string Program);
