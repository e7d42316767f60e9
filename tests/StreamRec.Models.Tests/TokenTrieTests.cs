using StreamRec.Models.Decoding;

namespace StreamRec.Models.Tests;

public sealed class TokenTrieTests
{
    private const int End = 3;

    [Fact]
    public void Exactly_the_available_items_can_be_reached_whatever_is_withdrawn_restored_and_excluded()
    {
        var random = new Random(11);
        for (var run = 0; run < 60; run++)
        {
            var strings = Strings(random, random.Next(1, 40));
            var trie = new TokenTrie(strings, End);
            var available = Enumerable.Range(0, strings.Length).ToHashSet();
            for (var change = 0; change < 20; change++)
            {
                var item = random.Next(strings.Length);
                if (random.Next(3) == 0)
                {
                    trie.Restore(item);
                    available.Add(item);
                }
                else
                {
                    trie.Withdraw(item);
                    available.Remove(item);
                }

                int[] excluded = [.. Enumerable.Range(0, random.Next(6)).Select(_ => random.Next(strings.Length))];
                var expected = available.Except(excluded).Order();
                Assert.Equal(expected, Reachable(trie, strings, trie.Exclude(excluded)).Order());
            }
        }
    }

    [Fact]
    public void Children_come_by_token_and_a_beginning_closes_with_its_last_item()
    {
        var trie = new TokenTrie([[7, 1], [0], [7, 9], [0, 5]], End);
        Assert.Equal([0, 7], Tokens(trie, TokenTrie.Root));
        Assert.Equal([3, 5], Tokens(trie, Child(trie, TokenTrie.Root, 0)));

        trie.Withdraw(0);
        trie.Withdraw(0);
        Assert.Equal([0, 7], Tokens(trie, TokenTrie.Root));
        trie.Withdraw(2);
        Assert.Equal([0], Tokens(trie, TokenTrie.Root));
        trie.Restore(0);
        Assert.Equal([0, 7], Tokens(trie, TokenTrie.Root));
        Assert.Equal([0], Tokens(trie, TokenTrie.Root, trie.Exclude([0])));
    }

    [Fact]
    public void Items_of_one_string_share_its_end()
    {
        var trie = new TokenTrie([[5], [6], [5]], End);
        var end = Child(trie, Child(trie, TokenTrie.Root, 5), End);

        Assert.Equal([0, 2], trie.AvailableAt(end, []));
        trie.Withdraw(0);
        Assert.Equal([2], trie.AvailableAt(end, []));
        Assert.Empty(trie.AvailableAt(end, trie.Exclude([2])));
        Assert.Empty(trie.AvailableAt(TokenTrie.Root, []));
    }

    [Fact]
    public void A_large_catalogue_has_a_node_for_each_beginning_and_no_more()
    {
        const int Base = 317;
        var trie = new TokenTrie([.. Enumerable.Range(0, 100_000).Select(i => new[] { 10 + i / Base, 10 + i % Base })], End);

        // The root, first tokens, whole strings and their ends.
        Assert.Equal(1 + 316 + 100_000 + 100_000, trie.Nodes);
        Assert.Equal(316, Tokens(trie, TokenTrie.Root).Count);
        Assert.Equal(Base, Tokens(trie, Child(trie, TokenTrie.Root, 10)).Count);
    }

    [Fact]
    public void An_available_item_is_never_missed_while_others_change()
    {
        var trie = new TokenTrie([[5, 6], [5, 7], [5, 8]], End);
        var excluded = trie.Exclude([1, 2]);
        using var stop = new CancellationTokenSource();
        var changing = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                trie.Withdraw(1);
                trie.Withdraw(2);
                trie.Restore(1);
                trie.Restore(2);
            }
        });
        changing.Start();
        for (var i = 0; i < 20_000; i++)
        {
            Assert.Equal([5], Tokens(trie, TokenTrie.Root, excluded));
        }

        stop.Cancel();
        changing.Join();
    }

    [Fact]
    public void An_empty_catalogue_has_no_beginnings() => Assert.Empty(Tokens(new TokenTrie([], End), TokenTrie.Root));

    [Theory]
    [InlineData(new int[0], "The string of item 1 is []")]
    [InlineData(new[] { 4, End }, "The string of item 1 is [4, 3]")]
    [InlineData(new[] { -1 }, "The string of item 1 is [-1]")]
    public void A_string_that_could_not_be_written_is_refused(int[] text, string message)
    {
        var error = Assert.Throws<ArgumentException>(() => new TokenTrie([[1], text], End));
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }

    /// <summary>Random strings of 1 to 4 of six tokens, with duplicates and beginnings of each other.</summary>
    internal static int[][] Strings(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(5) is var token && token >= End ? token + 1 : token).ToArray())];

    // The items at the ends of all open paths; each path spells their string.
    private static IEnumerable<int> Reachable(TokenTrie trie, int[][] strings, int[] excluded)
    {
        var open = new Stack<(int Node, int[] Text)>([(TokenTrie.Root, [])]);
        while (open.TryPop(out var at))
        {
            var children = new List<int>();
            trie.AddChildren(at.Node, excluded, children);
            var items = trie.AvailableAt(at.Node, excluded).ToArray();
            Assert.True(children.Count > 0 || items.Length > 0 || at.Text.Length == 0, "A beginning that is open leads nowhere.");
            foreach (var item in items)
            {
                Assert.Equal([.. strings[item], End], at.Text);
                yield return item;
            }

            foreach (var child in children)
            {
                open.Push((child, [.. at.Text, trie.TokenOf(child)]));
            }
        }
    }

    private static int Child(TokenTrie trie, int node, int token)
    {
        var children = new List<int>();
        trie.AddChildren(node, [], children);
        return children.Single(child => trie.TokenOf(child) == token);
    }

    private static List<int> Tokens(TokenTrie trie, int node, int[]? excluded = null)
    {
        var children = new List<int>();
        trie.AddChildren(node, excluded ?? [], children);
        return children.ConvertAll(trie.TokenOf);
    }
}
