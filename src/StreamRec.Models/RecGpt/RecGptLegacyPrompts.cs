namespace StreamRec.Models.RecGpt;

/// <summary>Prompts as the authors' released code makes them, kept to compute their numbers: <see cref="RecGptLegacy.LeakyPrompts"/>.</summary>
/// <remarks>
/// All of them work on windows padded to the model's length, padding included, and see what they are asked for: a tail is generated with
/// the items still to come at the front of the window, interleaving pushes the answers as inputs.
/// </remarks>
internal static class RecGptLegacyPrompts
{
    /// <summary>The window turned so that its last <paramref name="count"/> items stand first; then they give way to prompts one by one.</summary>
    public static TrainingWindow[] TailReplace(RecGptNetwork network, RecGptConfig config, IReadOnlyList<TrainingWindow> windows, int count)
    {
        var prefixes = windows.Select(window => Turned(window, config, count)).ToArray();
        Repeat(network, config, prefixes, count);
        return [.. windows.Zip(prefixes, (window, prefix) => window with
        {
            Items = prefix.Items(),
            Targets = Padded(window.Targets, config),
            Segments = prefix.Segments(),
            Shown = null,
        })];
    }

    /// <summary>From an empty window with the first slot pushed: prompts, then the slot's target as the next input, for every slot but the last.</summary>
    public static TrainingWindow[] Interleave(RecGptNetwork network, RecGptConfig config, IReadOnlyList<TrainingWindow> windows, int count)
    {
        var targets = windows.Select(window => Padded(window.Targets, config)).ToArray();
        var prefixes = windows.Select((window, i) => FirstSlot(window, config, targets[i][0])).ToArray();
        for (var t = 0; t + 1 < config.MaxLength; t++)
        {
            Repeat(network, config, prefixes, count);
            for (var i = 0; i < prefixes.Length; i++)
            {
                prefixes[i].Push(targets[i][t], targets[i][t + 1], segment: 0);
            }
        }

        return Windows(windows, prefixes);
    }

    /// <summary>For recall: prompts before the last item, generated with that item at the front of the window.</summary>
    public static TrainingWindow[] BeforeLast(RecGptNetwork network, RecGptConfig config, IReadOnlyList<TrainingWindow> windows, int count)
    {
        var prefixes = windows.Select(window => Turned(window, config, 1)).ToArray();
        Repeat(network, config, prefixes, count);
        foreach (var (i, window) in windows.Index())
        {
            prefixes[i].Push(window.Items[^1], window.Targets[^1], segment: 0);
        }

        return Windows(windows, prefixes);
    }

    /// <summary>For recall: prompts before every slot, padding too; the first slot enters twice.</summary>
    public static TrainingWindow[] BeforeEach(RecGptNetwork network, RecGptConfig config, IReadOnlyList<TrainingWindow> windows, int count)
    {
        var slots = windows.Select(window => (Items: Padded(window.Items, config), Targets: Padded(window.Targets, config))).ToArray();
        var prefixes = windows.Select((window, i) => FirstSlot(window, config, slots[i].Targets[0])).ToArray();
        for (var t = 0; t < config.MaxLength; t++)
        {
            Repeat(network, config, prefixes, count);
            for (var i = 0; i < prefixes.Length; i++)
            {
                prefixes[i].Push(slots[i].Items[t], slots[i].Targets[t], segment: 0);
            }
        }

        return Windows(windows, prefixes);
    }

    private static void Repeat(RecGptNetwork network, RecGptConfig config, PromptedPrefix[] prefixes, int count)
    {
        for (var k = 0; k < count; k++)
        {
            RecGptPrompts.Prompt(network, config, prefixes);
        }
    }

    private static PromptedPrefix Turned(TrainingWindow window, RecGptConfig config, int count)
    {
        var (items, targets) = (Padded(window.Items, config), Padded(window.Targets, config));
        var prefix = new PromptedPrefix(window.User, config.MaxLength);
        for (var t = 0; t < items.Length; t++)
        {
            var from = (t + items.Length - count) % items.Length;
            prefix.Push(items[from], targets[from], segment: 0);
        }

        return prefix;
    }

    private static PromptedPrefix FirstSlot(TrainingWindow window, RecGptConfig config, int target)
    {
        var prefix = new PromptedPrefix(window.User, config.MaxLength);
        prefix.Push(new int[config.MaxLength - 1]);
        prefix.Push(Padded(window.Items, config)[0], target, segment: 0);
        return prefix;
    }

    private static TrainingWindow[] Windows(IReadOnlyList<TrainingWindow> windows, PromptedPrefix[] prefixes) =>
        [.. windows.Zip(prefixes, (window, prefix) => new TrainingWindow(window.User, prefix.Items(), prefix.Targets(), prefix.Segments()))];

    private static int[] Padded(int[] slots, RecGptConfig config) => [.. new int[config.MaxLength - slots.Length], .. slots];
}
