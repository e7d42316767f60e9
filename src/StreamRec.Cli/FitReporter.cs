using StreamRec.Training;

namespace StreamRec.Cli;

/// <summary>A fit's progress as a share of its passes.</summary>
/// <param name="report">Told the share.</param>
internal sealed class FitReporter(Action<double> report) : IProgress<FitProgress>
{
    public void Report(FitProgress value) => report(value.Done / value.Epochs);
}
