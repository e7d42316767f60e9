using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Models.Transitions;

namespace StreamRec.Models.RecGpt;

/// <summary>How much the counts of the stream say beside the network: a score is logit + weight × evidence.</summary>
public sealed record RecGptEvidenceOptions
{
    /// <summary>0 to 100; 0 = the network alone. Null = chosen on validation.</summary>
    public double? Weight { get; init; }

    public TransitionsSettings Transitions { get; init; } = new();
}

/// <summary>The evidence of the stream in a model's own rows.</summary>
internal static class RecGptEvidence
{
    /// <summary>
    /// Weights that validation chooses from: none, then a geometric scale from 0.05 to 81. A well trained network needs 0.3 to 2; one that has
    /// seen little so far is overruled by the counts.
    /// </summary>
    public static IReadOnlyList<float> Weights { get; } = [0, .. Enumerable.Range(0, 33).Select(i => 0.05f * MathF.Pow(2, i / 3f))];

    /// <summary>The context's evidence, asked as the recipe says; none where the recipe wants none.</summary>
    /// <exception cref="ArgumentException">The context's transitions were counted with another decay or reach.</exception>
    public static IEvidence Of(RecGptEvidenceOptions options, ModelContext context) => context.Evidence switch
    {
        _ when options.Weight == 0 => NoEvidence.Instance,
        TransitionEvidence transitions => new TransitionEvidence(transitions.Counts, options.Transitions),
        var other => other,
    };

    /// <summary>Writes weight × evidence for each row; 0 for rows that the catalogue does not know.</summary>
    /// <param name="evidence">By item number.</param>
    /// <param name="window">Item numbers, oldest first.</param>
    /// <param name="weight">Factor.</param>
    /// <param name="view">From rows to numbers.</param>
    /// <param name="byRow">Overwritten.</param>
    public static void Write(IEvidence evidence, ReadOnlySpan<int> window, float weight, ItemRows.View view, Span<float> byRow)
    {
        var buffer = ArrayPool<float>.Shared.Rent(view.Count);
        var byNumber = buffer.AsSpan(0, view.Count);
        byNumber.Clear();
        evidence.AddTo(window, weight, byNumber);
        for (var row = 0; row < byRow.Length; row++)
        {
            // A number may be newer than the view.
            var number = view.Numbers[row];
            byRow[row] = (uint)number < (uint)byNumber.Length ? byNumber[number] : 0;
        }

        ArrayPool<float>.Shared.Return(buffer);
    }

    /// <summary>How many rows score above a row: its place, from 0, when scores are those of the network plus weight × evidence.</summary>
    public static int PlaceOf(int row, ReadOnlySpan<float> scores, ReadOnlySpan<float> evidence, float weight)
    {
        var bar = scores[row] + (weight * evidence[row]);
        var a = MemoryMarshal.Cast<float, Vector<float>>(scores);
        var b = MemoryMarshal.Cast<float, Vector<float>>(evidence);
        var above = Vector<int>.Zero;
        for (var v = 0; v < a.Length; v++)
        {
            // True is -1 in every lane.
            above -= Vector.GreaterThan(a[v] + (b[v] * weight), new Vector<float>(bar));
        }

        var place = Vector.Sum(above);
        for (var i = a.Length * Vector<float>.Count; i < scores.Length; i++)
        {
            place += scores[i] + (weight * evidence[i]) > bar ? 1 : 0;
        }

        return place;
    }
}
