// Targets of the build. Each says what it does; the words of the programs it calls are shown only when they fail, and kept under artifacts/logs.
using System.Runtime.InteropServices;
using System.Xml.Linq;

var target = Argument("target", "Build");
var root = MakeAbsolute(Directory(".")).FullPath;
var artifacts = root + "/artifacts";
var logs = artifacts + "/logs";
var executable = artifacts + "/bin/cutpoint";
string closingLine = null;

// What the tests and the demo call or load: a program on PATH or a library the loader finds, and the Debian package it comes in.
var needs = new Dictionary<string, string>
{
    ["qemu-system-x86_64"] = "qemu-system-x86", ["qemu-img"] = "qemu-utils", ["openssl"] = "openssl", ["zstd"] = "zstd", ["lz4"] = "lz4", ["readelf"] = "binutils",
    ["qemu-system-aarch64"] = "qemu-system-arm", ["gdb-multiarch"] = "gdb-multiarch", ["asn1c"] = "asn1c",
    ["xz"] = "xz-utils", ["libxxhash.so.0"] = "libxxhash0", ["libsqlite3.so.0"] = "libsqlite3-0", ["libzstd.so.1"] = "libzstd1", ["liblz4.so.1"] = "liblz4-1",
    ["postgres"] = "postgresql", ["crash"] = "crash", ["makedumpfile"] = "makedumpfile", ["gdb"] = "gdb", ["liblzo2.so.2"] = "liblzo2-2",
    ["libsnappy.so.1"] = "libsnappy1v5", ["kubectl"] = "kubernetes-client",
    // Links the executable: it brings gcc and the C library's start files.
    ["g++"] = "g++",
};

// What the demo needs of these; the rest is for formats and stores it does not show.
var demoNeeds = new[] { "qemu-system-x86_64", "openssl", "xz", "libxxhash.so.0", "libsqlite3.so.0", "libzstd.so.1", "liblz4.so.1", "g++" };

// What the image is made with; tests do not need it.
var imageNeeds = new Dictionary<string, string> { ["mmdebstrap"] = "mmdebstrap", ["umoci"] = "umoci" };

Task("Linker").Does(() => Install(Missing(needs).Where(name => name == "g++")));

Task("Build").Description("Publishes artifacts/bin/cutpoint.").IsDependentOn("Linker").Does(() =>
{
    Say("Building artifacts/bin/cutpoint");
    Restore("src/Cli/Cutpoint.Cli.csproj");
    DotNet("publish", "src/Cli/Cutpoint.Cli.csproj", "--no-restore", "-c", "Release", "-o", artifacts + "/bin");
    var missing = Missing(needs).Where(name => name is "libsqlite3.so.0" or "libzstd.so.1" or "liblz4.so.1" or "libxxhash.so.0").ToList();
    if (missing.Count > 0) Say("To run, cutpoint needs: apt-get install " + string.Join(" ", missing.Select(n => needs[n])));
});

Task("BuildTests").IsDependentOn("Build").Does(() =>
{
    Say("Building the tests");
    Restore("Pipeline.sln");
    DotNet("build", "Pipeline.sln", "--no-restore", "-c", "Release");
});

Task("Programs").Description("Installs what the tests and the demo call.").Does(() => Install(Missing(needs)));

Task("DemoPrograms").Does(() => Install(Missing(needs).Where(demoNeeds.Contains)));

Task("Guest").Description("Makes the Linux guest of the tests and the demo in artifacts/guest.").IsDependentOn("Programs").Does(() =>
{
    if (!FileExists(artifacts + "/guest/initrd.gz")) Say("Making the Linux guest: Debian's cloud kernel and a busybox initramfs");
    Logged("guest", new[] { root + "/tests/Guests/make-guest.sh", artifacts + "/guest" },
        "cannot make the guest — Debian's mirror must be reachable for linux-image-cloud-amd64 and busybox-static");
});

Task("Test").Description("Runs every test once.").IsDependentOn("BuildTests").IsDependentOn("Guest").Does(() =>
{
    int passed = 0, failed = 0, skipped = 0;
    EnsureDirectoryExists(artifacts + "/tests");
    foreach (var project in GetFiles("tests/*.Tests/*.csproj").OrderBy(p => p.FullPath))
    {
        var name = project.GetFilenameWithoutExtension().ToString();
        var report = $"{artifacts}/tests/{name}.trx";
        if (FileExists(report)) DeleteFile(report);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        // A shell without job control has what it starts with '&' ignore Ctrl-C, for which there are tests.
        var exit = Run($"{artifacts}/tests/{name}.log", "env", "--default-signal=INT", "dotnet", "test", project.FullPath, "-c", "Release", "--no-build", "--nologo", "-v", "q",
            "--logger", $"trx;LogFileName={name}.trx", "--results-directory", artifacts + "/tests", "--blame-hang-timeout", "10m", "--blame-hang-dump-type", "none");
        var results = FileExists(report) ? Results(report) : new List<XElement>();
        int Count(string outcome) => results.Count(r => (string)r.Attribute("outcome") == outcome);
        var bad = results.Count - Count("Passed") - Count("NotExecuted");
        foreach (var result in results.Where(r => (string)r.Attribute("outcome") is not ("Passed" or "NotExecuted"))) Say(Explain(name, result));
        if (exit != 0 && bad == 0)
        {
            bad = 1;
            Say($"FAILED {name}: the run itself failed\n" + Tail($"{artifacts}/tests/{name}.log"));
        }
        Say($"{name,-20} {Count("Passed"),5} passed, {bad} failed, {Count("NotExecuted")} skipped  {watch.Elapsed.TotalSeconds,6:F1} s");
        passed += Count("Passed");
        failed += bad;
        skipped += Count("NotExecuted");
    }
    closingLine = $"Tests: {passed} passed, {failed} failed, {skipped} skipped";
    if (failed > 0) throw new Exception("tests failed; their logs are in artifacts/tests");
});

Task("Demo").Description("Checkpoints a real Linux guest, kills it and brings it back.").IsDependentOn("DemoPrograms").IsDependentOn("Build").Does(() =>
{
    Restore("tests/Demo/Demo.csproj");
    DotNet("build", "tests/Demo/Demo.csproj", "--no-restore", "-c", "Release");
    if (Shown("dotnet", "tests/Demo/bin/Release/net10.0/Demo.dll") != 0) throw new Exception("the demo did not succeed");
});

Task("Bench").Description("Runs the benchmarks: --filter picks BenchmarkDotNet's, --guest ROWS measures real guests.").IsDependentOn("Build").IsDependentOn("Guest").Does(() =>
{
    Restore("tests/Benchmarks/Benchmarks.csproj");
    DotNet("build", "tests/Benchmarks/Benchmarks.csproj", "--no-restore", "-c", "Release");
    var arguments = new[] { "run", "--no-build", "-c", "Release", "--project", "tests/Benchmarks", "--" };
    if (Argument("guest", "") is { Length: > 0 } rows) arguments = arguments.Concat(new[] { "guest", rows }).ToArray();
    else if (Argument("filter", "") is { Length: > 0 } filter) arguments = arguments.Concat(new[] { "--filter", filter }).ToArray();
    if (Shown("dotnet", arguments) != 0) throw new Exception("the benchmarks did not succeed");
});

Task("Image").Description("Makes an OCI image archive of cutpoint in artifacts, without a daemon or a registry, and tries it.").IsDependentOn("Build").Does(() =>
{
    Install(Missing(imageNeeds));
    var version = XDocument.Load(root + "/Directory.Build.props").Descendants("Version").Single().Value;
    var archive = $"{artifacts}/cutpoint-{version}.oci.tar";
    if (Shown(root + "/deploy/image/make-image.sh", executable, version, archive) != 0) throw new Exception("the image could not be made");
    Say($"Made {archive}: skopeo copy oci-archive:{archive} docker://REGISTRY/cutpoint:{version}");
});

Task("Fuzz").Description("Feeds every parser mutations of golden files: --parser=NAME, --cases=N, --seed=N, --case=N.").Does(() =>
{
    Restore("tests/Fuzz.Tests/Fuzz.Tests.csproj");
    DotNet("build", "tests/Fuzz.Tests/Fuzz.Tests.csproj", "--no-restore", "-c", "Release");
    var given = new[] { "parser", "cases", "seed", "case", "file" }.Where(HasArgument).Select(name => $"--{name}={Argument<string>(name)}");
    var arguments = new[] { "tests/Fuzz.Tests/bin/Release/net10.0/Fuzz.Tests.dll", $"--output={artifacts}/fuzz" }.Concat(given);
    if (Shown("dotnet", arguments.ToArray()) != 0) throw new Exception("a parser did not stand its cases");
});

Task("Format").Description("Rewrites the sources to the style of .editorconfig.").Does(() =>
{
    Restore("Pipeline.sln");
    if (Shown("dotnet", "format", "Pipeline.sln", "--no-restore") != 0) throw new Exception("dotnet format failed");
});

try
{
    if (!Tasks.Any(task => string.Equals(task.Name, target, StringComparison.OrdinalIgnoreCase)))
        throw new Exception($"no target '{target}' — the targets are {string.Join(", ", Tasks.Select(task => task.Name.ToLowerInvariant()))}");
    RunTarget(target);
}
catch (Exception error)
{
    var cause = error is AggregateException { InnerExceptions: { Count: 1 } inner } ? inner[0] : error;
    Console.Error.WriteLine("build: " + cause.Message);
    if (closingLine != null) Say(closingLine);
    Environment.Exit(1);
}
if (closingLine != null) Say(closingLine);

void Say(string line) => Console.Out.WriteLine(line);

void Restore(string project) => Logged("restore", new[] { "dotnet", "restore", project, "--nologo" },
    $"cannot restore the packages of {project} — check that this machine reaches nuget.org, or its proxy and NuGet configuration");

void DotNet(params string[] arguments)
{
    if (Shown("dotnet", arguments.Concat(new[] { "--nologo", "-v", "q", "-clp:NoSummary;ErrorsOnly" }).ToArray()) != 0)
        throw new Exception($"dotnet {arguments[0]} {arguments[1]} failed");
}

int Shown(string program, params string[] arguments)
{
    using var process = System.Diagnostics.Process.Start(Command(program, arguments));
    // What ends this build is for what it runs, which may have to clean up first. A terminal tells both of Ctrl-C by itself.
    var signals = new[] { (PosixSignal.SIGINT, ""), (PosixSignal.SIGTERM, "TERM"), (PosixSignal.SIGHUP, "HUP") }.Select(signal =>
        PosixSignalRegistration.Create(signal.Item1, context =>
        {
            context.Cancel = true;
            if (signal.Item2 != "") System.Diagnostics.Process.Start("sh", new[] { "-c", $"kill -{signal.Item2} {process.Id}" }).WaitForExit();
        })).ToList();
    process.WaitForExit();
    signals.ForEach(signal => signal.Dispose());
    return process.ExitCode;
}

void Logged(string name, IEnumerable<string> command, string advice)
{
    EnsureDirectoryExists(logs);
    var log = $"{logs}/{name}.log";
    if (Run(log, command.First(), command.Skip(1).ToArray()) != 0) throw new Exception($"{advice}\n{Tail(log)}");
}

int Run(string log, string program, params string[] arguments)
{
    var command = Command(program, arguments);
    command.RedirectStandardOutput = command.RedirectStandardError = true;
    using var writer = TextWriter.Synchronized(new StreamWriter(log));
    using var process = new System.Diagnostics.Process { StartInfo = command };
    process.OutputDataReceived += (_, e) => writer.WriteLine(e.Data);
    process.ErrorDataReceived += (_, e) => writer.WriteLine(e.Data);
    process.Start();
    process.BeginOutputReadLine();
    process.BeginErrorReadLine();
    process.WaitForExit();
    return process.ExitCode;
}

System.Diagnostics.ProcessStartInfo Command(string program, string[] arguments)
{
    var command = new System.Diagnostics.ProcessStartInfo(program) { WorkingDirectory = root };
    foreach (var argument in arguments) command.ArgumentList.Add(argument);
    command.Environment["CUTPOINT_BIN"] = executable;
    return command;
}

// Debian keeps PostgreSQL's own programs beside PATH, by version.
bool IsOnPath(string program) => (Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin").Split(':')
    .Concat(System.IO.Directory.Exists("/usr/lib/postgresql") ? System.IO.Directory.GetDirectories("/usr/lib/postgresql").Select(d => d + "/bin") : new string[0])
    .Any(d => System.IO.File.Exists(d + "/" + program));

void Install(IEnumerable<string> missing)
{
    var packages = missing.Select(name => needs.TryGetValue(name, out var package) ? package : imageNeeds[name]).Distinct().ToList();
    if (packages.Count == 0) return;
    var list = string.Join(" ", packages);
    if (!IsOnPath("apt-get")) throw new Exception($"not installed: {string.Join(", ", missing)} — install them (Debian's packages: {list})");
    var asRoot = Environment.UserName == "root" ? new string[0] : new[] { "sudo" };
    if (asRoot.Length > 0 && !IsOnPath("sudo")) throw new Exception($"may not install {list} (neither root nor sudo) — install them, then run this again");
    Say("Installing with apt: " + list);
    Logged("apt", asRoot.Concat(new[] { "apt-get", "-q", "update" }), "apt cannot reach its mirror — check the network and /etc/apt/sources.list");
    Logged("apt", asRoot.Concat(new[] { "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "install", "--no-install-recommends" }).Concat(packages),
        $"apt could not install {list} — install them, then run this again");
}

List<string> Missing(Dictionary<string, string> wanted)
{
    var loader = new System.Diagnostics.ProcessStartInfo("/sbin/ldconfig", "-p") { RedirectStandardOutput = true };
    using var process = System.Diagnostics.Process.Start(loader);
    var libraries = process.StandardOutput.ReadToEnd();
    return wanted.Keys.Where(name => name.Contains(".so.") ? !libraries.Contains(name + " ") : !IsOnPath(name)).ToList();
}

List<XElement> Results(string report) =>
    XDocument.Load(report).Descendants().Where(e => e.Name.LocalName == "UnitTestResult").ToList();

string Explain(string project, XElement result)
{
    string Text(string name) => result.Descendants().FirstOrDefault(e => e.Name.LocalName == name)?.Value.Trim() ?? "";
    return $"FAILED {project}: {(string)result.Attribute("testName")}\n  {Text("Message")}\n{Text("StackTrace")}";
}

string Tail(string log) => string.Join("\n", System.IO.File.ReadLines(log).Where(line => line.Trim().Length > 0).TakeLast(12));
