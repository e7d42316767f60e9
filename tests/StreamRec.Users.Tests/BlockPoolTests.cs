namespace StreamRec.Users.Tests;

public sealed class BlockPoolTests
{
    private readonly BlockPool _pool = new();

    [Fact]
    public void Blocks_of_every_size_keep_what_was_written_into_them()
    {
        var random = new Random(3);
        var blocks = new List<(int Block, int Words, uint Mark)>();
        for (var step = 0u; step < 50_000; step++)
        {
            if (blocks.Count < 2000 && random.Next(2) == 0)
            {
                var words = random.Next(20) == 0 ? random.Next(1, 70_000) : random.Next(1, 200);
                blocks.Add(Write(_pool.Allocate(words), words, step));
                continue;
            }

            if (blocks.Count == 0)
            {
                continue;
            }

            var at = random.Next(blocks.Count);
            var (block, length, mark) = blocks[at];
            AssertHolds(block, length, mark);
            if (random.Next(3) == 0)
            {
                var grown = _pool.Grow(block, length + 8);
                AssertHolds(grown, length, mark);
                blocks[at] = Write(grown, length + 8, mark);
            }
            else
            {
                _pool.Free(block);
                blocks[at] = blocks[^1];
                blocks.RemoveAt(blocks.Count - 1);
            }
        }

        Assert.All(blocks, held => AssertHolds(held.Block, held.Words, held.Mark));
    }

    [Fact]
    public void A_block_wastes_at_most_three_words_or_an_eighth()
    {
        for (var words = 1; words < 70_000; words += words < 5000 ? 1 : 37)
        {
            var block = _pool.Allocate(words);
            Assert.InRange(_pool.Words(block).Length, words, Math.Max(words + 3, words * 9 / 8));
            _pool.Free(block);
        }
    }

    [Fact]
    public void Users_who_grow_together_leave_no_holes_behind()
    {
        var blocks = Enumerable.Range(0, 10_000).Select(_ => _pool.Allocate(4)).ToArray();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var words = 8; words <= 32; words += 4)
        {
            for (var i = 0; i < blocks.Length; i++)
            {
                blocks[i] = _pool.Grow(blocks[i], words);
            }
        }

        // What the last step needs and the one before it still held, not the sum of all steps.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000 * (32 + 4) * sizeof(uint) * 5 / 4);
    }

    private (int Block, int Words, uint Mark) Write(int block, int words, uint mark)
    {
        _pool.Words(block)[..words].Fill(mark);
        return (block, words, mark);
    }

    private void AssertHolds(int block, int words, uint mark) =>
        Assert.False(_pool.Words(block)[..words].ContainsAnyExcept(mark));
}
