using StreamRec.Domain;
using StreamRec.Models.Checkpoints;

namespace StreamRec.Models.Transitions;

/// <summary>A model of transition counts that answers: the evidence for each item, items without any by popularity alone.</summary>
/// <remarks>Its counts are those of its checkpoint, in its own rows; what the stream has brought since is in the context's evidence and not here.</remarks>
internal class TransitionsModel : IModel
{
    private readonly ItemRows _rows;

    public TransitionsModel(ModelVersion version, Vocabulary items, TransitionEvidence evidence, ModelContext context)
    {
        (Version, Items, Evidence) = (version, items, evidence);
        _rows = new ItemRows(items, context.Catalogue);
    }

    /// <inheritdoc/>
    public ModelVersion Version { get; }

    protected Vocabulary Items { get; }

    /// <summary>By row.</summary>
    protected TransitionEvidence Evidence { get; set; }

    /// <inheritdoc/>
    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries)
    {
        var view = _rows.Current;
        var scores = new float[Items.Rows];
        var lists = new IReadOnlyList<RankedItem>[queries.Count];
        for (var i = 0; i < lists.Length; i++)
        {
            var rows = Rank(RowsOf(queries[i].Window.Span, view.RowOf), RowsOf(queries[i].Masked.Span, view.RowOf), view.Bias, queries[i].K, scores);
            lists[i] = [.. rows.Select(row => new RankedItem(view.Numbers[row], scores[row], TransitionsFamily.FamilyName))];
        }

        return lists;
    }

    /// <summary>The best rows for a window, best first; none where the window is empty.</summary>
    /// <param name="window">Rows, oldest first.</param>
    /// <param name="masked">Rows that must not be in the list.</param>
    /// <param name="bias">By row: 0 = may be in a list, negative infinity = may not.</param>
    /// <param name="k">Items wanted.</param>
    /// <param name="scores">By row; overwritten.</param>
    internal int[] Rank(int[] window, int[] masked, float[] bias, int k, float[] scores)
    {
        if (window.Length == 0)
        {
            return [];
        }

        bias.CopyTo(scores, 0);
        Evidence.AddTo(window, 1, scores);
        foreach (var row in masked)
        {
            scores[row] = float.NegativeInfinity;
        }

        scores[0] = float.NegativeInfinity;
        return TopK.Select(scores, k);
    }

    public void Dispose() => GC.SuppressFinalize(this);

    /// <summary>Rows of the items that the model knows.</summary>
    protected static int[] RowsOf(ReadOnlySpan<int> numbers, Func<int, int> rowOf)
    {
        var rows = new List<int>(numbers.Length);
        foreach (var number in numbers)
        {
            if (rowOf(number) is not 0 and var row)
            {
                rows.Add(row);
            }
        }

        return [.. rows];
    }
}
