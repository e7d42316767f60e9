using StreamRec.Domain;

namespace StreamRec.Models.Checkpoints;

/// <summary>Ranks the rows of a checkpoint for windows of item ids.</summary>
/// <param name="inputs">Users and windows.</param>
/// <param name="ranked">Told an input's index, its best rows, best first, and the scores by row; not called for windows without a known item.</param>
internal delegate void RankInputs(IReadOnlyList<(string UserId, IReadOnlyList<string> Window)> inputs, Action<int, int[], float[]> ranked);

/// <summary>Inputs with the answers of a model, to be reproduced by whoever loads it.</summary>
internal static class GoldenInputs
{
    /// <summary>Length of the lists.</summary>
    public const int K = 10;

    /// <summary>How far a score may be off, relative to the largest: other processors sum in another order.</summary>
    private const float Tolerance = 1e-3f;

    /// <summary>The answers; inputs without a known item are left out.</summary>
    public static IReadOnlyList<GoldenInput> Write(
        IReadOnlyList<(string UserId, IReadOnlyList<string> Window)> inputs, Vocabulary items, RankInputs rank)
    {
        var golden = new List<GoldenInput>(inputs.Count);
        rank(inputs, (i, rows, scores) => golden.Add(new GoldenInput(
            inputs[i].UserId, inputs[i].Window, [.. rows.Select(row => items.Ids[row - 1])], [.. rows.Select(row => scores[row])])));
        return golden;
    }

    /// <exception cref="CheckpointRejectedException">There is none, or one is not reproduced.</exception>
    public static void Prove(IReadOnlyList<GoldenInput> golden, Vocabulary items, RankInputs rank)
    {
        if (golden.Count == 0)
        {
            throw new CheckpointRejectedException("the manifest has no golden inputs, so nothing proves that it computes what it computed when it was written");
        }

        var answered = new bool[golden.Count];
        rank([.. golden.Select(input => (input.UserId, input.Window))], (i, _, scores) =>
        {
            answered[i] = true;
            Prove(i, golden[i], items, scores);
        });
        if (Array.IndexOf(answered, false) is >= 0 and var silent)
        {
            throw new CheckpointRejectedException($"golden input {silent} has no item that the checkpoint knows");
        }
    }

    private static void Prove(int i, GoldenInput golden, Vocabulary items, float[] scores)
    {
        var (top, expected) = (golden.Top, golden.Scores);
        if (top.Count == 0 || top.Count != expected.Count)
        {
            throw new CheckpointRejectedException($"golden input {i} has {top.Count} items and {expected.Count} scores");
        }

        var scale = Math.Max(1e-6f, expected.Max(Math.Abs));
        for (var place = 0; place < top.Count; place++)
        {
            var row = items.RowOf(top[place]);
            var actual = row == 0 ? float.NaN : scores[row];
            if (!(Math.Abs(actual - expected[place]) <= Tolerance * scale))
            {
                throw new CheckpointRejectedException(
                    $"golden input {i} does not reproduce: '{top[place]}' scores {actual}, expected {expected[place]}");
            }
        }
    }
}
