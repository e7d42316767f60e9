namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>What is read and what is to be written, end included.</summary>
internal readonly record struct GenRecExample(GenRecText Text, int[] Target);

/// <summary>Masks histories for training.</summary>
/// <remarks>
/// In the masked-item task a text is a piece of the history as long as the model reads, the last item masked or any. In the next-item task the
/// history is cut before an item, drawn anew each time, which is to be written after the ones before it.
/// </remarks>
/// <param name="words">Tokens.</param>
/// <param name="texts">Texts.</param>
/// <param name="maxItems">Newest items that a text has.</param>
internal sealed class GenRecExamples(GenRecWords words, GenRecTexts texts, int maxItems)
{
    /// <summary>The examples of a history, at most <see cref="GenRecStage.Texts"/>; none of fewer than two items.</summary>
    /// <param name="stage">Which task, and its settings.</param>
    /// <param name="user">User row, 0 = unknown.</param>
    /// <param name="userId">The user.</param>
    /// <param name="rows">Item rows, oldest first.</param>
    /// <param name="random">Draws.</param>
    public IEnumerable<GenRecExample> Of(GenRecStage stage, int user, string userId, int[] rows, Random random)
    {
        if (rows.Length < 2)
        {
            return [];
        }

        return stage.Task == GenRecTask.MaskedItem
            ? Enumerable.Range(0, Math.Min(stage.Texts, rows.Length)).Select(_ => Masked(stage, user, userId, rows, random))
            : Cuts(rows.Length, stage.Texts, random).Select(cut => Next(user, userId, rows, cut));
    }

    private GenRecExample Masked(GenRecStage stage, int user, string userId, int[] rows, Random random)
    {
        var end = rows.Length <= maxItems ? rows.Length : random.Next(maxItems, rows.Length + 1);
        var window = texts.Newest(rows.AsSpan(0, end), userId);
        var hasUser = stage.MaskUser && user != 0;
        var place = random.NextDouble() < stage.LastShare ? window.Length - 1
            : random.Next(hasUser ? GenRecTexts.TheUser : 0, window.Length);
        var target = place == GenRecTexts.TheUser ? words.User(userId) : words.Written(window[place]);
        return new GenRecExample(texts.Of(user, userId, window, place), [.. target, words.End]);
    }

    private GenRecExample Next(int user, string userId, int[] rows, int cut)
    {
        var window = texts.Newest(rows.AsSpan(0, cut), userId);
        return new GenRecExample(texts.Of(user, userId, window, window.Length), [.. words.Written(rows[cut]), words.End]);
    }

    // Places of targets, each once.
    private static IEnumerable<int> Cuts(int length, int count, Random random)
    {
        if (count == 1)
        {
            return [random.Next(1, length)];
        }

        int[] places = [.. Enumerable.Range(1, length - 1)];
        random.Shuffle(places);
        return places.Take(count);
    }
}
