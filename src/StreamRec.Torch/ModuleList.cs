using System.Collections;

namespace StreamRec.Torch;

/// <summary>
/// Modules in a row, named by their position: <c>RegisterModule("blocks", new ModuleList&lt;Block&gt;(blocks))</c>
/// gives <c>blocks.0.…</c>.
/// </summary>
public sealed class ModuleList<T> : Module, IReadOnlyList<T>
    where T : Module
{
    private readonly List<T> _items = [];

    public ModuleList(IEnumerable<T> modules)
    {
        foreach (var module in modules)
            _items.Add(RegisterModule($"{_items.Count}", module));
    }

    public int Count => _items.Count;

    public T this[int index] => _items[index];

    public IEnumerator<T> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
