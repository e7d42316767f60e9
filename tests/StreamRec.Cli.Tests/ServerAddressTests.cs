using System.Diagnostics;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Tests;

public sealed class ServerAddressTests : IDisposable
{
    private readonly TemporaryDirectory _data = new();

    private static ServerAddress Mine => new(new Uri("http://127.0.0.1:8088"), "secret", Environment.ProcessId, "127.0.0.1:9092");

    private string File => Path.Combine(_data.Path, "server.json");

    public void Dispose() => _data.Dispose();

    [Fact]
    public void What_was_written_is_found_while_its_process_lives()
    {
        Mine.Write(_data.Path);

        Assert.Equal(Mine, ServerAddress.Find(_data.Path));
    }

    [Fact]
    public void Only_its_owner_may_read_the_file()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no file modes.");
        _data.Write("server.json", "left by another version, readable by all");

        Mine.Write(_data.Path);

#pragma warning disable CA1416 // Skipped on Windows above.
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
#pragma warning restore CA1416
    }

    [Fact]
    public void The_file_of_a_process_that_is_gone_is_ignored()
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", "--version") { RedirectStandardOutput = true })!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();

        (Mine with { ProcessId = process.Id }).Write(_data.Path);

        Assert.Null(ServerAddress.Find(_data.Path));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("{\"url\":\"http://127.0.0.1:1\",\"token\":\"t\",\"processId\":-1,\"bootstrapServers\":\"\"}")]
    public void A_file_that_was_written_halfway_is_ignored(string content)
    {
        _data.Write("server.json", content);

        Assert.Null(ServerAddress.Find(_data.Path));
    }

    [Fact]
    public void A_file_that_lacks_its_url_is_ignored_even_when_its_process_lives()
    {
        _data.Write("server.json", $$"""{"processId":{{Environment.ProcessId}}}""");

        Assert.Null(ServerAddress.Find(_data.Path));
    }

    [Fact]
    public void Nothing_is_found_where_no_server_was_or_after_it_has_stopped()
    {
        Assert.Null(ServerAddress.Find(_data.Path));
        Assert.Null(ServerAddress.Find(Path.Combine(_data.Path, "not-there")));
        Assert.Null(ServerClient.Find(_data.Path));

        Mine.Write(_data.Path);
        using (var client = ServerClient.Find(_data.Path))
        {
            Assert.Equal(Mine, client!.Address);
        }

        ServerAddress.Remove(_data.Path);
        ServerAddress.Remove(_data.Path);

        Assert.Null(ServerAddress.Find(_data.Path));
    }
}
