namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>Sequences as texts: begin, the user's word, an item's word for each item, end; one word is masked.</summary>
/// <param name="words">Tokens.</param>
/// <param name="maxItems">Newest items that are read.</param>
/// <param name="maxTokens">Tokens that the network reads.</param>
internal sealed class GenRecTexts(GenRecWords words, int maxItems, int maxTokens)
{
    /// <summary>In place of an item's place: the user's word is masked.</summary>
    public const int TheUser = -1;

    // Begin, mask, end.
    private const int Around = 3;

    /// <summary>Tokens of the longest text of these settings.</summary>
    public static int LongestOf(GenRecWords words, int maxItems) => Around + words.User("").Length + (maxItems * words.LongestItem);

    /// <summary>The newest items that a text has room for, at least one of them.</summary>
    /// <param name="rows">Item rows, oldest first.</param>
    /// <param name="userId">The user; the word takes room whether it is known or not, so that all texts of a user read the same items.</param>
    public ReadOnlySpan<int> Newest(ReadOnlySpan<int> rows, string userId)
    {
        var room = maxTokens - Around - words.User(userId).Length;
        var first = rows.Length;
        while (first > 0 && rows.Length - first < maxItems && (room -= words.Read(rows[first - 1]).Length) >= 0)
        {
            first--;
        }

        return rows[Math.Min(first, Math.Max(0, rows.Length - 1))..];
    }

    /// <summary>The text of a sequence.</summary>
    /// <param name="user">User row; 0 = unknown: then the text has no user's word.</param>
    /// <param name="userId">The user.</param>
    /// <param name="rows">Item rows, oldest first, of <see cref="Newest"/>.</param>
    /// <param name="masked">The place of the masked item; <c>rows.Length</c> for the one that comes next, <see cref="TheUser"/>.</param>
    public GenRecText Of(int user, string userId, ReadOnlySpan<int> rows, int masked)
    {
        List<int> tokens = [words.Begin], users = [0], items = [0];
        if (user != 0)
        {
            Add(words.User(userId), user, 0, masked == TheUser);
        }

        for (var i = 0; i < rows.Length; i++)
        {
            Add(words.Read(rows[i]), 0, rows[i], masked == i);
        }

        if (masked == rows.Length)
        {
            Add([], 0, 0, hidden: true);
        }

        tokens.Add(words.End);
        return new GenRecText([.. tokens], [.. users, 0], [.. items, 0]);

        // A hidden word says neither what nor whose it is.
        void Add(int[] word, int userRow, int itemRow, bool hidden)
        {
            foreach (var token in hidden ? [words.Mask] : word)
            {
                tokens.Add(token);
                users.Add(hidden ? 0 : userRow);
                items.Add(hidden ? 0 : itemRow);
            }
        }
    }
}
