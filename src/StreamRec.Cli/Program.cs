using System.CommandLine;
using StreamRec.Cli;
using StreamRec.Cli.Commands;

var root = new RootCommand("StreamRec: clicks in from Kafka, recommendations out to Kafka, models that learn on the way.")
{
    DemoCommand.Create(),
    ServeCommand.Create(),
    BrokerCommand.Create(),
    SimulateCommand.Create(),
    ReplayCommand.Create(),
    ImportCommand.Create(),
    ExportCommand.Create(),
    TrainCommand.Create(),
    EvaluateCommand.Create(),
    CompareCommand.Create(),
    RecommendCommand.Create(),
    PromptCommand.Create(),
    ModelsCommand.Create(),
    UsersCommand.Create(),
    ResumeCommand.Create(),
    AuditCommand.Create(),
    MapCommand.Create(),
    DlqCommand.Create(),
    DoctorCommand.Create(),
    BenchCommand.Create(),
};
Settings.AddTo(root);
var result = root.Parse(args);
return result.Errors.Count > 0
    ? await result.InvokeAsync() == 0 ? ExitCode.Success : ExitCode.Usage
    : await Failures.ExplainAsync(() => result.InvokeAsync(new InvocationConfiguration
    {
        EnableDefaultExceptionHandler = false,
        // After a signal, what was taken in is finished, saved and published; by default the process would be ended after two seconds.
        ProcessTerminationTimeout = TimeSpan.FromMinutes(1),
    }));
