using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Torch;

namespace StreamRec.Models;

/// <summary>A RecGPT model that answers: one-step recall, the inner product of the newest hidden state with every item.</summary>
/// <remarks>Threading: the forward pass keeps no state, so several threads may ask at once.</remarks>
internal class RecGptModel : IModel
{
    // Windows are padded only up to the next of these lengths, or the model's maximum.
    private static readonly int[] Buckets = [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];

    private readonly ItemRows _rows;

    public RecGptModel(
        ModelVersion version, RecGptConfig config, Vocabulary items, Vocabulary users, RecGpt network, ModelContext context)
    {
        Version = version;
        Config = config;
        Items = items;
        Users = users;
        Network = network;
        _rows = new ItemRows(items, context.Catalogue);
    }

    /// <inheritdoc/>
    public ModelVersion Version { get; }

    /// <summary>Shapes.</summary>
    public RecGptConfig Config { get; }

    protected Vocabulary Items { get; }

    protected Vocabulary Users { get; }

    protected RecGpt Network { get; }

    /// <inheritdoc/>
    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries)
    {
        var view = _rows.Current;
        var windows = new RowWindow[queries.Count];
        for (var i = 0; i < windows.Length; i++)
        {
            windows[i] = new RowWindow(
                Users.RowOf(queries[i].UserId), RowsOf(queries[i].Window.Span, view), queries[i].Masked, queries[i].K);
        }

        var lists = new IReadOnlyList<RankedItem>[windows.Length];
        Array.Fill(lists, []);
        try
        {
            Rank(windows, view.Bias, view.RowOf, (i, rows, scores) =>
            {
                var list = new RankedItem[rows.Length];
                for (var place = 0; place < rows.Length; place++)
                {
                    list[place] = new RankedItem(view.Numbers[rows[place]], scores[rows[place]], RecGptFamily.FamilyName);
                }

                lists[i] = list;
            });
        }
        catch (TorchException exception)
        {
            throw new ModelFailedException($"{Version}: {exception.Message}", exception);
        }

        return lists;
    }

    public void Dispose()
    {
        Network.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Ranks rows for windows of rows: what serving and golden inputs share.</summary>
    /// <param name="windows">Windows; empty ones are skipped.</param>
    /// <param name="bias">By row: 0 = may be in a list, negative infinity = may not.</param>
    /// <param name="rowOfMasked">The row of an element of <see cref="RowWindow.Masked"/>.</param>
    /// <param name="ranked">Told the window's index, the best rows, best first, and the scores by row (valid during the call).</param>
    internal void Rank(
        RowWindow[] windows, float[] bias, Func<int, int> rowOfMasked, Action<int, int[], float[]> ranked)
    {
        var scores = new float[Items.Rows];
        foreach (var bucket in windows.Index().Where(w => w.Item.Rows.Length > 0).GroupBy(w => BucketOf(w.Item.Rows.Length)))
        {
            using var scope = TensorScope.Enter();
            using var noGrad = NoGrad.Enter();
            var batch = bucket.ToArray();
            var (items, users) = Batch([.. batch.Select(w => w.Item)], bucket.Key);
            var hidden = Network.ForwardLast(items, users);                                       // [B, d]
            var all = hidden.MatMul(Network.ItemTable.T).ToArray<float>();                        // [B, rows]
            for (var i = 0; i < batch.Length; i++)
            {
                if (!TopK.TryAdd(all.AsSpan(i * scores.Length, scores.Length), bias, scores))
                {
                    throw new ModelFailedException($"{Version}: a score is not a number.");
                }

                foreach (var masked in batch[i].Item.Masked.Span)
                {
                    scores[rowOfMasked(masked)] = float.NegativeInfinity;
                }

                scores[0] = float.NegativeInfinity;
                ranked(batch[i].Index, TopK.Select(scores, batch[i].Item.K), scores);
            }
        }
    }

    /// <summary>Item rows [B, T] with padding on the left, and user rows [B].</summary>
    protected static (Tensor Items, Tensor Users) Batch(IReadOnlyList<RowWindow> windows, int length)
    {
        var items = new long[windows.Count * length];
        var users = new long[windows.Count];
        for (var i = 0; i < windows.Count; i++)
        {
            users[i] = windows[i].User;
            var rows = windows[i].Rows;
            for (var t = 0; t < rows.Length; t++)
            {
                items[(i * length) + length - rows.Length + t] = rows[t];
            }
        }

        return (Tensor.From<long>(items, windows.Count, length), Tensor.From<long>(users, windows.Count));
    }

    // The newest items that the model knows, oldest first.
    private int[] RowsOf(ReadOnlySpan<int> numbers, ItemRows.View view)
    {
        var rows = new int[Math.Min(numbers.Length, Config.MaxLength)];
        var length = 0;
        for (var i = numbers.Length - 1; i >= 0 && length < rows.Length; i--)
        {
            var row = view.RowOf(numbers[i]);
            if (row != 0)
            {
                rows[^++length] = row;
            }
        }

        return length == rows.Length ? rows : rows[^length..];
    }

    private int BucketOf(int length) =>
        Math.Min(Config.MaxLength, Buckets.FirstOrDefault(b => b >= length, Config.MaxLength));
}

/// <summary>A question in a model's own rows.</summary>
/// <param name="User">User row; 0 = cold.</param>
/// <param name="Rows">Item rows, oldest first, at most the model's length.</param>
/// <param name="Masked">What must not be in the list, in the caller's own numbers.</param>
/// <param name="K">Items wanted.</param>
internal readonly record struct RowWindow(int User, int[] Rows, ReadOnlyMemory<int> Masked, int K);
