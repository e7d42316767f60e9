using StreamRec.SyscallFaults;

namespace StreamRec.Journal.Tests;

/// <summary>A writing process that is killed, or refused by the system, at one of its system calls. <c>./build.sh bench syscalls</c> tries more of them.</summary>
public sealed class SyscallFaultTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("streamrec-syscalls-");

    [Fact]
    public async Task A_kill_or_an_error_at_any_system_call_loses_nothing_that_was_acknowledged_and_a_restart_goes_on()
    {
        var missing = SyscallRun.Missing();
        Assert.SkipWhen(missing is not null, missing ?? "");

        var report = await SyscallRun.RunAsync(
            fault => fault.Call == "pwrite64" ? 2 : 1, seed: 1, _folder.FullName, line => TestContext.Current.SendDiagnosticMessage(line));

        Assert.Empty(report.Violations);
        // A group commit more or less moves the calls; a fault behind the last one does not happen, and an error when the file is closed is not heard.
        Assert.InRange(report.NotReached, 0, 2);
        Assert.All(SyscallFault.All, fault => Assert.InRange(report.Reached[fault], fault.Call == "pwrite64" ? 1 : 0, 2));
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
