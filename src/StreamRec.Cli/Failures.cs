using Microsoft.Extensions.Options;
using StreamRec.Cli.Bench;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Kafka;
using StreamRec.Torch;

namespace StreamRec.Cli;

/// <summary>The one place where a failure becomes words and an exit code.</summary>
internal static class Failures
{
    public static async Task<int> ExplainAsync(Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (OptionsValidationException exception)
        {
            foreach (var fault in exception.Failures)
            {
                Console.Error.WriteLine($"error: {fault}");
            }

            Console.Error.WriteLine("Try: config/streamrec.json, which lists every key with its default and range.");
            return ExitCode.Configuration;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception exception) when (Expected(exception) is { } advice)
        {
            Console.Error.WriteLine($"error: {exception.Message}");
            if (advice.Try.Length > 0)
            {
                Console.Error.WriteLine($"Try: {advice.Try}");
            }

            return advice.Code;
        }
    }

    // What is not here is a bug: the runtime prints it with its stack.
    private static (int Code, string Try)? Expected(Exception exception) => exception switch
    {
        JournalInUseException => (ExitCode.Temporary, "stop the other process, or use another journal (--data, Journal:ConnectionString)."),
        CheckpointRejectedException => (ExitCode.Failure, "streamrec models list"),
        ModelFailedException => (ExitCode.Failure, ""),
        ServerRefusedException => (ExitCode.Failure, ""),
        JournalUnreachableException => (ExitCode.Failure, "streamrec doctor"),
        JournalSchemaException or JournalCorruptException or JournalFailedException => (ExitCode.Failure, "streamrec doctor"),
        BenchFailedException => (ExitCode.Failure, "streamrec doctor"),
        _ when KafkaFailure.Is(exception) => (ExitCode.Failure, "streamrec doctor"),
        TorchException or DllNotFoundException => (ExitCode.Failure, "streamrec doctor"),
        FileNotFoundException or DirectoryNotFoundException or InvalidDataException => (ExitCode.Failure, ""),
        ArgumentException or InvalidOperationException => (ExitCode.Usage, ""),
        IOException or UnauthorizedAccessException => (ExitCode.Failure, "streamrec doctor"),
        _ => null,
    };
}
