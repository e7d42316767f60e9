using StreamRec.Domain;
using StreamRec.Torch;

namespace StreamRec.Models.Transitions;

/// <summary>Counts as a safetensors file: rows one after the other, each by ascending item, so that equal counts give equal bytes.</summary>
internal static class TransitionsFile
{
    private const string Occurrences = "occurrences";
    private const string Starts = "starts";
    private const string Successors = "successors";
    private const string Counts = "counts";

    /// <param name="path">The file.</param>
    /// <param name="counts">Counts by row.</param>
    /// <param name="rows">Rows of the vocabulary, row 0 included.</param>
    public static void Write(string path, TransitionCounts counts, int rows)
    {
        using var scope = TensorScope.Enter();
        var (occurrences, starts) = (new int[rows], new long[rows + 1]);
        var (items, values) = (new List<int>(), new List<float>());
        for (var row = 0; row < rows; row++)
        {
            occurrences[row] = counts.Occurrences(row);
            foreach (var (item, count) in counts.ReadRow(row))
            {
                items.Add(item);
                values.Add(count);
            }

            starts[row + 1] = items.Count;
        }

        SafeTensorsFile.Write(path,
        [
            (Occurrences, Tensor.From<int>([.. occurrences], rows)),
            (Starts, Tensor.From<long>(starts, rows + 1)),
            (Successors, Tensor.From<int>([.. items], items.Count)),
            (Counts, Tensor.From<float>([.. values], values.Count)),
        ]);
    }

    /// <exception cref="CheckpointRejectedException">The file is damaged, or not of a vocabulary of this size; the message names tensor and place.</exception>
    public static TransitionCounts Read(string path, TransitionsSettings settings, int rows)
    {
        using var scope = TensorScope.Enter();
        try
        {
            using var file = SafeTensorsFile.Open(path);
            var (occurrences, starts) = (Values<int>(file, Occurrences, rows), Values<long>(file, Starts, rows + 1));
            var length = starts[^1];
            var (items, values) = (Values<int>(file, Successors, length), Values<float>(file, Counts, length));
            var counts = new TransitionCounts(settings, rows);
            for (var row = 0; row < rows; row++)
            {
                var (begin, end) = (starts[row], starts[row + 1]);
                if (begin < 0 || begin > end || end > length || occurrences[row] < 0)
                {
                    throw new CheckpointRejectedException($"{Path.GetFileName(path)}: row {row} goes from {begin} to {end} with {occurrences[row]} occurrences");
                }

                for (var i = begin; i < end; i++)
                {
                    if ((uint)items[i] >= (uint)rows || !float.IsFinite(values[i]) || values[i] < 0)
                    {
                        throw new CheckpointRejectedException($"{Path.GetFileName(path)}: row {row} counts {values[i]} for item {items[i]} of {rows}");
                    }
                }

                counts.Restore(row, occurrences[row], items.AsSpan((int)begin, (int)(end - begin)), values.AsSpan((int)begin, (int)(end - begin)));
            }

            return counts;
        }
        catch (Exception exception) when (exception is SafeTensorsException or FileNotFoundException)
        {
            throw new CheckpointRejectedException($"{Path.GetFileName(path)}: {exception.Message}", exception);
        }
    }

    private static T[] Values<T>(SafeTensorsFile file, string name, long length)
        where T : unmanaged
    {
        var tensor = file.Read(name);
        return tensor.Dim == 1 && tensor.Size(0) == length && tensor.Dtype == Tensor.From<T>(new T[1], 1).Dtype
            ? tensor.ToArray<T>()
            : throw new CheckpointRejectedException($"{name} is {tensor.Dtype} [{string.Join(", ", tensor.Shape)}]; expected {typeof(T).Name} [{length}]");
    }
}
