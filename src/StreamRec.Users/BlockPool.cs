using System.Numerics;
using System.Runtime.InteropServices;

namespace StreamRec.Users;

/// <summary>Memory in blocks of 4-byte words, without an object for each: pages of 16 KiB, each cut into blocks of one size.</summary>
/// <remarks>
/// A block of n words has room for up to 12.5 % more above 32 words, and for up to 3 words more below. A page whose blocks are all free is cut
/// anew for another size, so users who grow together leave no holes behind. Pages are kept for reuse; a large block has one of its own, which goes
/// back to the collector.
/// Threading: one thread at a time.
/// </remarks>
internal sealed class BlockPool
{
    /// <summary>Instead of a block: there is none.</summary>
    public const int None = -1;

    private const int PageBits = 12;
    private const int PageWords = 1 << PageBits;

    // A larger one has a page of its own, of just its size.
    private const int LargestShared = PageWords / 4;
    private const int MaxPages = 1 << (31 - PageBits);

    private readonly int[] _withRoom = new int[SizeClass(LargestShared) + 1];
    private readonly Stack<int> _spare = new();
    private readonly Stack<int> _vacant = new();
    private Page[] _pages = new Page[16];
    private int _pageCount;

    public BlockPool() => Array.Fill(_withRoom, None);

    /// <summary>Takes a block with room for so many words, 1 or more. What is in it is undefined.</summary>
    public int Allocate(int words)
    {
        var size = Round(words);
        if (size > LargestShared)
        {
            return NewPage(size) << PageBits;
        }

        var index = _withRoom[SizeClass(size)];
        if (index == None)
        {
            index = CutPage(size);
        }

        ref var page = ref _pages[index];
        var offset = page.Free;
        if (offset != None)
        {
            page.Free = (int)page.Words[offset];
        }
        else
        {
            offset = page.Fresh;
            page.Fresh += size;
        }

        page.Used++;
        if (!page.HasRoom)
        {
            Unlink(index);
        }

        return (index << PageBits) | offset;
    }

    /// <summary>Gives a block back.</summary>
    public void Free(int block)
    {
        var (index, offset) = (block >> PageBits, block & (PageWords - 1));
        ref var page = ref _pages[index];
        if (page.BlockWords > LargestShared)
        {
            page = default;
            _vacant.Push(index);
            return;
        }

        if (!page.HasRoom)
        {
            Link(index);
        }

        page.Words[offset] = (uint)page.Free;
        page.Free = offset;
        if (--page.Used == 0)
        {
            Unlink(index);
            _spare.Push(index);
        }
    }

    /// <summary>The words of a block, its unused rest included. Valid until the block is given back.</summary>
    public Span<uint> Words(int block)
    {
        ref var page = ref _pages[block >> PageBits];
        return page.Words.AsSpan(block & (PageWords - 1), page.BlockWords);
    }

    /// <summary>Has the processor fetch the beginning of a block, which will be read soon.</summary>
    public void Prefetch(int block) => Domain.Prefetch.Line(ref MemoryMarshal.GetReference(Words(block)));

    /// <summary>Gives a block at least so many words, in another place if need be: what it held is in the block that is returned.</summary>
    public int Grow(int block, int words)
    {
        if (words <= _pages[block >> PageBits].BlockWords)
        {
            return block;
        }

        var grown = Allocate(words);
        Words(block).CopyTo(Words(grown));
        Free(block);
        return grown;
    }

    private int CutPage(int size)
    {
        if (!_spare.TryPop(out var index))
        {
            index = NewPage(PageWords);
        }

        _pages[index] = new Page { Words = _pages[index].Words, BlockWords = size, Free = None };
        Link(index);
        return index;
    }

    private int NewPage(int words)
    {
        if (!_vacant.TryPop(out var index))
        {
            index = _pageCount++;
            if (index == MaxPages)
            {
                throw new InvalidOperationException(
                    $"The users of one partition take more than {MaxPages:N0} pages; lower Users:ResidentUsers, or spread them over more partitions.");
            }

            if (index == _pages.Length)
            {
                Array.Resize(ref _pages, index + index / 2);
            }
        }

        // Pages live as long as the shard, so the collector need not move them. A large block comes and goes with its user.
        _pages[index] = new Page { Words = GC.AllocateUninitializedArray<uint>(words, pinned: words == PageWords), BlockWords = words };
        return index;
    }

    private void Link(int index)
    {
        ref var first = ref _withRoom[SizeClass(_pages[index].BlockWords)];
        (_pages[index].Previous, _pages[index].Next) = (None, first);
        if (first != None)
        {
            _pages[first].Previous = index;
        }

        first = index;
    }

    private void Unlink(int index)
    {
        var (previous, next) = (_pages[index].Previous, _pages[index].Next);
        if (previous == None)
        {
            _withRoom[SizeClass(_pages[index].BlockWords)] = next;
        }
        else
        {
            _pages[previous].Next = next;
        }

        if (next != None)
        {
            _pages[next].Previous = previous;
        }
    }

    /// <summary>Multiples of 4 up to 32, above that eight sizes for each doubling.</summary>
    private static int Round(int words)
    {
        var granule = words <= 32 ? 4 : 1 << (BitOperations.Log2((uint)words - 1) - 3);
        return (words + granule - 1) & -granule;
    }

    private static int SizeClass(int size)
    {
        var log = BitOperations.Log2((uint)size - 1);
        return size <= 32 ? (size / 4) - 1 : 8 + ((log - 5) * 8) + (((size - 1) >> (log - 3)) & 7);
    }

    private struct Page
    {
        public uint[] Words;
        public int BlockWords;
        public int Used;

        /// <summary>Where blocks begin that were never given away.</summary>
        public int Fresh;

        /// <summary>The first free block; each has the offset of the next in its first word.</summary>
        public int Free;

        // Among the pages that have room for blocks of this size.
        public int Next;
        public int Previous;

        public readonly bool HasRoom => Free != None || Fresh + BlockWords <= PageWords;
    }
}
