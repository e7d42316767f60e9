using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

/// <summary>Where prompts stand in a training window.</summary>
public enum RecGptPromptMode
{
    /// <summary>Nowhere.</summary>
    None,

    /// <summary>In place of the newest inputs, whose targets stay: a few forward passes a batch.</summary>
    TailReplace,

    /// <summary>Between the items, as in Algorithm 1 of the paper: a forward pass for each prompt of the longest window.</summary>
    Interleave,
}

/// <summary>Prompts of a stage.</summary>
public sealed record RecGptPromptOptions
{
    /// <summary>Where they stand.</summary>
    public RecGptPromptMode Mode { get; init; } = RecGptPromptMode.None;

    /// <summary>Prompts for each place, 0 to 6; the paper finds 1 to 3 best.</summary>
    public int Count { get; init; } = 1;
}

/// <summary>One sequence of a training step, in rows.</summary>
/// <param name="User">User row; 0 = cold.</param>
/// <param name="Items">Inputs, oldest first, at most the model's length; without padding except in <see cref="RecGptLegacy.PaddedWindows"/>.</param>
/// <param name="Targets">For each input the row to be predicted there; 0 = none.</param>
/// <param name="Segments">For each input 0 = behaviour, 1 = prompt; null when all are 0.</param>
/// <param name="Shown">For each input, rows that were shown after it and before its target, and not taken, oldest first; null when there are none.</param>
internal readonly record struct TrainingWindow(int User, int[] Items, int[] Targets, int[]? Segments = null, int[][]? Shown = null);

/// <summary>Personalised prompts: what the model itself would have shown next, set into training windows as segment 1.</summary>
/// <remarks>
/// The paper calls them unclicked items; where the stream holds real impressions they stand in for generated ones, newest first, in
/// <see cref="RecGptPromptMode.Interleave"/>. A prompt is the most likely item of the clean prefix before it, greedy, never padding, without gradient.
/// Departs: dropout is off while prompts are generated (the released code leaves it on).
/// Departs: the released code generates from windows that hold the answer; see <see cref="RecGptLegacy.LeakyPrompts"/>.
/// </remarks>
internal static class RecGptPrompts
{
    /// <summary>Windows with prompts; the network must not be in training mode.</summary>
    public static TrainingWindow[] Insert(RecGptNetwork network, RecGptConfig config, IReadOnlyList<TrainingWindow> windows, RecGptPromptOptions options) =>
        (options.Count == 0 ? RecGptPromptMode.None : options.Mode, config.Legacy.LeakyPrompts) switch
        {
            (RecGptPromptMode.None, _) => [.. windows],
            (RecGptPromptMode.TailReplace, true) => RecGptLegacyPrompts.TailReplace(network, config, windows, options.Count),
            (RecGptPromptMode.TailReplace, false) => TailReplace(network, config, windows, options.Count),
            (_, true) => RecGptLegacyPrompts.Interleave(network, config, windows, options.Count),
            (_, false) => Interleave(network, config, windows, options.Count),
        };

    /// <summary>Replaces the last <paramref name="count"/> inputs of each window; its first one always stays.</summary>
    public static TrainingWindow[] TailReplace(RecGptNetwork network, RecGptConfig config, IReadOnlyList<TrainingWindow> windows, int count)
    {
        var prefixes = new PromptedPrefix[windows.Count];
        var replaced = new int[windows.Count];
        for (var i = 0; i < prefixes.Length; i++)
        {
            var items = windows[i].Items;
            replaced[i] = Math.Min(count, items.Length - 1);
            prefixes[i] = new PromptedPrefix(windows[i].User, config.MaxLength);
            prefixes[i].Push(items.AsSpan(0, items.Length - replaced[i]));
        }

        for (var k = 0; k < count; k++)
        {
            Prompt(network, config, [.. prefixes.Where((_, i) => replaced[i] > k)]);
        }

        return [.. windows.Zip(prefixes, (window, prefix) => window with { Items = prefix.Items(), Segments = prefix.Segments() })];
    }

    /// <summary>
    /// Algorithm 1: an item, <paramref name="count"/> prompts, the next item, and so on. Only items have targets; the newest slots stay.
    /// </summary>
    /// <remarks>
    /// A prompt depends on the prompts before it, so one follows the other, for all windows at once. Step t reads the same number of slots
    /// in every window, so no padding is computed.
    /// </remarks>
    public static TrainingWindow[] Interleave(RecGptNetwork network, RecGptConfig config, IReadOnlyList<TrainingWindow> windows, int count)
    {
        var prefixes = new PromptedPrefix[windows.Count];
        var starts = new int[windows.Count];
        for (var i = 0; i < prefixes.Length; i++)
        {
            var items = windows[i].Items;
            starts[i] = items.AsSpan().IndexOfAnyExcept(0);
            prefixes[i] = new PromptedPrefix(windows[i].User, config.MaxLength);
            prefixes[i].Push(items[starts[i]], windows[i].Targets[starts[i]], segment: 0);
        }

        for (var t = 1; t < windows.Max(window => window.Items.Length); t++)
        {
            var going = Enumerable.Range(0, windows.Count).Where(i => starts[i] + t < windows[i].Items.Length).ToArray();
            for (var k = 0; k < count; k++)
            {
                var generated = new List<PromptedPrefix>(going.Length);
                foreach (var i in going)
                {
                    var shown = windows[i].Shown?[starts[i] + t - 1] ?? [];
                    if (k < shown.Length)
                    {
                        prefixes[i].Push(shown[Math.Max(0, shown.Length - count) + k], 0, segment: 1);
                    }
                    else
                    {
                        generated.Add(prefixes[i]);
                    }
                }

                Prompt(network, config, generated);
            }

            foreach (var i in going)
            {
                prefixes[i].Push(windows[i].Items[starts[i] + t], windows[i].Targets[starts[i] + t], segment: 0);
            }
        }

        return [.. windows.Zip(prefixes, (window, prefix) =>
            new TrainingWindow(window.User, prefix.Items(), prefix.Targets(), prefix.Segments()))];
    }

    /// <summary>Pushes the most likely next item onto each prefix, with segment 1 and no target.</summary>
    internal static void Prompt(RecGptNetwork network, RecGptConfig config, IReadOnlyList<PromptedPrefix> prefixes)
    {
        foreach (var bucket in prefixes.GroupBy(prefix => SlotBatch.LengthFor(prefix.Length, config)))
        {
            using var scope = TensorScope.Enter();
            using var noGrad = NoGrad.Enter();
            var batch = bucket.ToArray();
            var length = config.Legacy.PaddedWindows ? bucket.Key : batch.Max(prefix => prefix.Length);
            var items = SlotBatch.Pad([.. batch.Select(prefix => prefix.Items())], length);
            var segments = SlotBatch.Pad([.. batch.Select(prefix => prefix.Segments())], length);
            var users = Tensor.From<long>([.. batch.Select(prefix => (long)prefix.User)]);
            var next = Greedy(network.Logits(network.ForwardLast(items, users, segments))).ToArray<long>();
            for (var i = 0; i < batch.Length; i++)
            {
                batch[i].Push((int)next[i], 0, segment: 1);
            }
        }
    }

    /// <summary>The most likely next item row of each sequence, int64 [B]; never padding, anything else, seen or not, as in the paper.</summary>
    /// <param name="logits">float [B, rows].</param>
    internal static Tensor Greedy(Tensor logits) => logits.Narrow(1, 1, logits.Size(1) - 1).ArgMax(1) + 1;
}

/// <summary>A sequence with its prompts as it grows, cut to the newest slots that the model reads.</summary>
/// <param name="user">User row.</param>
/// <param name="maxLength">Slots that stay.</param>
internal sealed class PromptedPrefix(int user, int maxLength)
{
    private readonly List<(int Item, int Target, int Segment)> _slots = [];

    public int User => user;

    public int Length => Math.Min(maxLength, _slots.Count);

    public void Push(int item, int target, int segment) => _slots.Add((item, target, segment));

    /// <summary>Pushes behaviours without targets.</summary>
    public void Push(ReadOnlySpan<int> items)
    {
        foreach (var item in items)
        {
            Push(item, 0, segment: 0);
        }
    }

    public int[] Items() => [.. Newest().Select(slot => slot.Item)];

    public int[] Targets() => [.. Newest().Select(slot => slot.Target)];

    public int[] Segments() => [.. Newest().Select(slot => slot.Segment)];

    private IEnumerable<(int Item, int Target, int Segment)> Newest() => _slots.Skip(_slots.Count - Length);
}
