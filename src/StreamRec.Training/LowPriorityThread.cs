using System.Runtime.InteropServices;

namespace StreamRec.Training;

/// <summary>Runs long computations on a thread of their own that gives way to serving.</summary>
internal static partial class LowPriorityThread
{
    /// <summary>The nice value of training: a thread at 0 gets about nine times its share of a contended core.</summary>
    private const int Nice = 10;

    private const int PrioProcess = 0;

    /// <summary>Runs to the end and hands over result or exception.</summary>
    public static Task<T> RunAsync<T>(string name, Func<T> work)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            // On Linux a nice value belongs to the thread (who = 0 is the calling one); .NET's own thread priority does nothing there.
            // A refusal only costs the courtesy.
            if (OperatingSystem.IsLinux())
            {
                _ = SetPriority(PrioProcess, 0, Nice);
            }

            try
            {
                result.SetResult(work());
            }
            catch (OperationCanceledException cancelled)
            {
                result.SetCanceled(cancelled.CancellationToken);
            }
            catch (Exception exception)
            {
                result.SetException(exception);
            }
        })
        {
            Name = name,
            IsBackground = true,
        };
        thread.Start();
        return result.Task;
    }

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int priority);
}
