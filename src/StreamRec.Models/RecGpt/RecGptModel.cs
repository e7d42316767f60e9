using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

/// <summary>A RecGPT model that answers: the inner product of the newest hidden state with every item, in one step or two.</summary>
/// <remarks>Threading: the forward pass keeps no state, so several threads may ask at once.</remarks>
internal class RecGptModel : ITwoStepRecall
{
    // Scores of windows × items that are held at once: 64 MB.
    private const int MaxScores = 1 << 24;

    private readonly ItemRows _rows;
    private readonly IEvidence _evidence;
    private readonly RecGptModel? _owner;

    public RecGptModel(
        ModelVersion version, RecGptRecipe recipe, Vocabulary items, Vocabulary users, RecGptEnsemble ensemble, ModelContext context)
    {
        Version = version;
        Config = recipe.Model;
        SecondStep = recipe.Recall.N ?? 0;
        EvidenceWeight = (float)(recipe.Evidence.Weight ?? 0);
        Items = items;
        Users = users;
        Ensemble = ensemble;
        _rows = new ItemRows(items, context.Catalogue);
        _evidence = context.Evidence;
    }

    private RecGptModel(RecGptModel other, int secondStep)
    {
        (Version, Config, Items, Users, Ensemble) = (other.Version, other.Config, other.Items, other.Users, other.Ensemble);
        (_rows, _evidence, EvidenceWeight) = (other._rows, other._evidence, other.EvidenceWeight);
        _owner = other;
        SecondStep = secondStep;
    }

    /// <inheritdoc/>
    public ModelVersion Version { get; }

    /// <inheritdoc/>
    public int SecondStep { get; protected set; }

    /// <summary>Factor of the evidence beside the network's scores.</summary>
    public float EvidenceWeight { get; protected set; }

    /// <summary>Shapes.</summary>
    public RecGptConfig Config { get; }

    protected Vocabulary Items { get; }

    protected Vocabulary Users { get; }

    /// <summary>The networks.</summary>
    internal RecGptEnsemble Ensemble { get; }

    /// <inheritdoc/>
    public IModel WithSecondStep(int secondStep)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(secondStep);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(secondStep, RecGptRecall.MaxSecond);
        return new RecGptModel(this, secondStep);
    }

    /// <inheritdoc/>
    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries)
    {
        var view = _rows.Current;
        var windows = queries.Select(query => WindowOf(query, view)).ToArray();
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

    public virtual void Dispose()
    {
        if (_owner is null)
        {
            Ensemble.Dispose();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Called before the weights are read for answers: a model in training brings them into the form that it would be saved with.</summary>
    protected virtual void Settle() => _owner?.Settle();

    /// <summary>Ranks rows for windows of rows: what serving and golden inputs share.</summary>
    /// <param name="windows">Windows; empty ones are skipped.</param>
    /// <param name="bias">By row: 0 = may be in a list, negative infinity = may not.</param>
    /// <param name="rowOfMasked">The row of an element of <see cref="RowWindow.Masked"/>.</param>
    /// <param name="ranked">Told the window's index, the best rows, best first, and the scores by row (valid during the call).</param>
    internal void Rank(RowWindow[] windows, float[] bias, Func<int, int> rowOfMasked, Action<int, int[], float[]> ranked) =>
        Score(windows, bias, rowOfMasked, SecondStep > 0, (i, first, second) =>
        {
            var n = RecGptRecall.SecondOf(windows[i].K, SecondStep);
            ranked(i, n == 0 ? TopK.Select(first, windows[i].K) : RecGptRecall.Merge(first, second, windows[i].K, n), first);
        });

    /// <summary>
    /// Where each case's target stands in its list of 10, for every n in 0..<see cref="RecGptRecall.MaxSecond"/> of the second step;
    /// cases whose history or target the model does not know are left out. What was had is masked, as in serving.
    /// </summary>
    protected List<int[]> PlacesByN(IReadOnlyList<TestCase> cases)
    {
        const int K = 10;
        const int Chunk = 256;
        var view = _rows.Current;
        var places = new List<int[]>(cases.Count);
        foreach (var chunk in cases.Chunk(Chunk))
        {
            var windows = chunk.Select(c => WindowOf(new ModelQuery(c.UserId, c.History, c.History, K), view)).ToArray();
            Score(windows, view.Bias, view.RowOf, bothSteps: true, (i, first, second) =>
            {
                var target = view.RowOf(chunk[i].Target);
                if (target == 0)
                {
                    return;
                }

                // The second step's list is looked through behind at most K items of the first.
                var (begin, end) = (TopK.Select(first, K), TopK.Select(second, 2 * K));
                var place = new int[RecGptRecall.MaxSecond + 1];
                for (var n = 0; n < place.Length; n++)
                {
                    var head = begin[..Math.Min(begin.Length, K - n)];
                    place[n] = Array.IndexOf([.. head, .. end.Except(head).Take(n)], target);
                }

                places.Add(place);
            });
        }

        return places;
    }

    /// <summary>
    /// NDCG@10 of the first step for each weight of the evidence in <see cref="RecGptEvidence.Weights"/>, while <see cref="EvidenceWeight"/> is 0:
    /// the network scores each case once. Cases whose history or target the model does not know are left out.
    /// </summary>
    protected double[] NdcgByEvidence(IReadOnlyList<TestCase> cases)
    {
        const int K = 10;
        const int Chunk = 256;
        var view = _rows.Current;
        var evidence = new float[Items.Rows];
        var gains = new double[RecGptEvidence.Weights.Count];
        var judged = 0;
        foreach (var chunk in cases.Chunk(Chunk))
        {
            var windows = chunk.Select(c => WindowOf(new ModelQuery(c.UserId, c.History, c.History, K), view)).ToArray();
            Score(windows, view.Bias, view.RowOf, bothSteps: false, (i, scores, _) =>
            {
                var target = view.RowOf(chunk[i].Target);
                if (target == 0 || !float.IsFinite(scores[target]))
                {
                    return;
                }

                judged++;
                RecGptEvidence.Write(_evidence, chunk[i].History.Span, 1, view, evidence);
                for (var w = 0; w < gains.Length; w++)
                {
                    var place = RecGptEvidence.PlaceOf(target, scores, evidence, RecGptEvidence.Weights[w]);
                    gains[w] += place < K ? 1 / Math.Log2(place + 2) : 0;
                }
            });
        }

        return [.. gains.Select(gain => gain / Math.Max(1, judged))];
    }

    /// <summary>Scores of every row, for each window that is not empty.</summary>
    /// <param name="windows">Windows; empty ones are skipped.</param>
    /// <param name="bias">As for <see cref="Rank"/>.</param>
    /// <param name="rowOfMasked">As for <see cref="Rank"/>.</param>
    /// <param name="bothSteps">Whether the second step is computed too.</param>
    /// <param name="scored">Told the window's index and the scores of both steps by row (valid during the call; empty for a step not computed).</param>
    private void Score(
        RowWindow[] windows, float[] bias, Func<int, int> rowOfMasked, bool bothSteps, Action<int, float[], float[]> scored)
    {
        Settle();
        var first = new float[Items.Rows];
        var second = bothSteps ? new float[Items.Rows] : [];
        var evidence = EvidenceWeight == 0 ? [] : new float[Items.Rows];
        foreach (var bucket in Prompted(windows).Index()
            .Where(w => w.Item.Rows.Length > 0).GroupBy(w => SlotBatch.LengthFor(w.Item.Rows.Length, Config))
            .SelectMany(bucket => bucket.Chunk(Math.Max(1, MaxScores / Items.Rows)), (bucket, windows) => (Length: bucket.Key, Windows: windows)))
        {
            using var scope = TensorScope.Enter();
            using var noGrad = NoGrad.Enter();
            var batch = bucket.Windows;
            RowWindow[] inputs = [.. batch.Select(w => w.Item)];
            var users = Tensor.From<long>([.. inputs.Select(w => (long)w.User)]);
            var hidden = Hidden(inputs, users, bucket.Length);
            var firstAll = Ensemble.Scores(hidden).ToArray<float>();                               // [B, rows]
            var secondAll = bothSteps ? Ensemble.Scores(SecondHidden(inputs, users, hidden, bucket.Length)).ToArray<float>() : [];
            for (var i = 0; i < batch.Length; i++)
            {
                var fused = evidence.Length > 0 && !inputs[i].Window.IsEmpty;
                if (fused)
                {
                    RecGptEvidence.Write(_evidence, inputs[i].Window.Span, EvidenceWeight, _rows.Current, evidence);
                }

                Admit(firstAll.AsSpan(i * first.Length, first.Length), fused ? evidence : [], bias, inputs[i], rowOfMasked, first);
                if (bothSteps)
                {
                    Admit(secondAll.AsSpan(i * second.Length, second.Length), fused ? evidence : [], bias, inputs[i], rowOfMasked, second);
                }

                scored(batch[i].Index, first, second);
            }
        }
    }

    private Tensor[] Hidden(RowWindow[] windows, Tensor users, int length)
    {
        var segments = windows[0].Segments is null ? null : SlotBatch.Pad([.. windows.Select(w => w.Segments!)], length);
        return Ensemble.ForwardLast(SlotBatch.Pad([.. windows.Select(w => w.Rows)], length), users, segments);
    }

    private Tensor[] SecondHidden(RowWindow[] windows, Tensor users, Tensor[] hidden, int length)
    {
        var next = RecGptPrompts.Greedy(Ensemble.Logits(hidden)).ToArray<long>();
        RowWindow[] pushed = [.. windows.Zip(next, (window, item) => RecGptRecall.Push(window, (int)item, Config.MaxLength))];
        return Hidden(pushed, users, Math.Min(Config.MaxLength, length + 1));
    }

    private void Admit(ReadOnlySpan<float> all, float[] evidence, float[] bias, RowWindow window, Func<int, int> rowOfMasked, float[] scores)
    {
        if (!TopK.TryAdd(all, bias, scores))
        {
            throw new ModelFailedException($"{Version}: a score is not a number.");
        }

        if (evidence.Length > 0)
        {
            TopK.TryAdd(scores, evidence, scores);
        }

        foreach (var masked in window.Masked.Span)
        {
            ref var score = ref scores[rowOfMasked(masked)];
            score = Config.Legacy.ZeroSuppression && float.IsFinite(score) ? 0 : float.NegativeInfinity;
        }

        if (!Config.Legacy.ZeroSuppression)
        {
            scores[0] = float.NegativeInfinity;
        }
    }

    private RowWindow[] Prompted(RowWindow[] windows)
    {
        if (Config.Legacy.RecallPrompts == RecGptRecallPrompts.None)
        {
            return windows;
        }

        var known = windows.Where(w => w.Rows.Length > 0).Select(w => new TrainingWindow(w.User, w.Rows, new int[w.Rows.Length])).ToArray();
        var prompted = new Queue<TrainingWindow>(Config.Legacy.RecallPrompts == RecGptRecallPrompts.BeforeLast
            ? RecGptLegacyPrompts.BeforeLast(Ensemble.Members[0], Config, known, Config.Legacy.RecallPromptCount)
            : RecGptLegacyPrompts.BeforeEach(Ensemble.Members[0], Config, known, Config.Legacy.RecallPromptCount));
        return [.. windows.Select(w => w.Rows.Length > 0 && prompted.TryDequeue(out var p) ? w with { Rows = p.Items, Segments = p.Segments } : w)];
    }

    private RowWindow WindowOf(ModelQuery query, ItemRows.View view) =>
        new(Users.RowOf(query.UserId), RowsOf(query.Window.Span, view), query.Masked, query.K) { Window = query.Window };

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
}

/// <summary>A question in a model's own rows.</summary>
/// <param name="User">User row; 0 = cold.</param>
/// <param name="Rows">Item rows, oldest first, at most the model's length.</param>
/// <param name="Masked">What must not be in the list, in the caller's own numbers.</param>
/// <param name="K">Items wanted.</param>
/// <param name="Segments">For each row 0 = behaviour, 1 = prompt; null when all are 0.</param>
internal readonly record struct RowWindow(int User, int[] Rows, ReadOnlyMemory<int> Masked, int K, int[]? Segments = null)
{
    /// <summary>The whole window in item numbers, for the evidence; empty = without evidence.</summary>
    public ReadOnlyMemory<int> Window { get; init; }
}
