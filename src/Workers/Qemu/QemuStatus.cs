namespace Cutpoint.Workers.Qemu;

/// <summary>A guest's run state.</summary>
/// <param name="Name">QEMU's word: "running", "paused", "postmigrate", "inmigrate", "io-error", …</param>
/// <param name="Running">True while its CPUs run.</param>
public readonly record struct QemuStatus(string Name, bool Running);
