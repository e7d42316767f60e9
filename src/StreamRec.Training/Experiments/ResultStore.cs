using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Training.Experiments;

/// <summary>The results directory: a file for each experiment that is done, a state directory for each that is not.</summary>
/// <remarks>
/// Several processes may work on one directory: an experiment is claimed by an exclusive lock on a file, which the operating system gives
/// back when its process ends, however it ends. A result appears whole, by a rename.
/// </remarks>
public sealed class ResultStore
{
    private readonly string _directory;

    /// <param name="directory">Made when it is not there.</param>
    public ResultStore(string directory)
    {
        _directory = directory;
        Directory.CreateDirectory(directory);
    }

    /// <summary>Where the result is or will be.</summary>
    public string PathOf(Experiment experiment) => Path.Combine(_directory, experiment.Key + ".json");

    /// <summary>Where an unfinished experiment keeps its state.</summary>
    public string StateOf(Experiment experiment) => Path.Combine(_directory, experiment.Key + ".state");

    /// <summary>The result, or null while there is none.</summary>
    public ExperimentResult? Find(Experiment experiment) =>
        File.Exists(PathOf(experiment)) ? ExperimentResult.Read(PathOf(experiment)) : null;

    /// <summary>Makes the experiment this process's until the claim is disposed; null while another process has it.</summary>
    public IDisposable? TryClaim(Experiment experiment) => ExclusiveFile.TryOpen(Path.Combine(_directory, experiment.Key + ".lock"));

    /// <summary>Writes the result durably and deletes the state.</summary>
    public void Save(Experiment experiment, ExperimentResult result)
    {
        WriteFile(PathOf(experiment), JsonSerializer.Serialize(result, ExperimentResult.Json));
        if (Directory.Exists(StateOf(experiment)))
        {
            Directory.Delete(StateOf(experiment), recursive: true);
        }
    }

    /// <summary>Replaces a file by a rename: a crash leaves the old content or the new.</summary>
    internal static void WriteFile(string path, string text)
    {
        var temporary = path + ".tmp";
        File.WriteAllText(temporary, text);
        Durable.FlushFile(temporary);
        File.Move(temporary, path, overwrite: true);
        Durable.FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }
}
