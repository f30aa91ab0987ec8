using Cutpoint.Demo;

using var source = new CancellationTokenSource(TimeSpan.FromMinutes(15));
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    source.Cancel();
};
var directory = Directory.CreateTempSubdirectory("cutpoint-demo-");
try
{
    await using var demonstration = new Demonstration(directory.FullName, source.Token);
    await demonstration.RunAsync();
    return 0;
}
catch (DemoException exception)
{
    Console.Error.WriteLine($"\ndemo: {exception.Message}");
    return 1;
}
finally
{
    directory.Delete(recursive: true);
}
