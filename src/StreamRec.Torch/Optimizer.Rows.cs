using System.Runtime.InteropServices;

namespace StreamRec.Torch;

/// <summary>Tables of which a step reads few rows.</summary>
/// <remarks>
/// Adam moves a row also in steps in which it has no gradient. Such steps are put off until the row is read again and
/// then made one after another with the same arithmetic, so the result is that of stepping the whole table, bit for bit.
/// </remarks>
public abstract partial class Optimizer
{
    private readonly Dictionary<Tensor, Rows> _byRows = [];

    /// <summary>
    /// From now on a table is stepped by rows: <see cref="Prepare"/> names those that a step reads, before it reads
    /// them, and <see cref="CatchUp"/> comes before anything reads the whole table.
    /// </summary>
    /// <param name="table">A contiguous float CPU parameter <c>[rows, d]</c>.</param>
    public void StepByRows(Tensor table)
    {
        EnsureState();
        var index = Array.FindIndex(_parameters, parameter => ReferenceEquals(parameter, table));
        if (index < 0)
            throw new ArgumentException("The table is not a parameter of this optimiser.", nameof(table));
        _byRows.Add(table, new Rows(index, table.Size(0)));
    }

    /// <summary>Brings rows up to date that the next step reads and has gradients for; may be called more than once.</summary>
    /// <param name="table">A table that is not stepped by rows is always up to date.</param>
    /// <param name="rows">Row numbers, which may repeat.</param>
    public void Prepare(Tensor table, ReadOnlySpan<long> rows)
    {
        if (!_byRows.TryGetValue(table, out var state))
            return;
        Advance(table, state, rows, rows.Length, withGradient: false);
        state.Prepared.AddRange(rows);
    }

    /// <summary>Brings every row of every table up to date.</summary>
    public void CatchUp()
    {
        foreach (var (table, state) in _byRows)
        {
            Advance(table, state, [], -1, withGradient: false);
            state.Start = _steps[state.Index];
            state.History.Clear();
        }
    }

    private void StepRows(in AdamSettings settings)
    {
        foreach (var (table, state) in _byRows)
        {
            Native.Check(Native.sr_adam_step_factors(settings, ++_steps[state.Index], out var factors, out var error), error);
            state.History.Add(factors);
            Advance(table, state, CollectionsMarshal.AsSpan(state.Prepared), state.Prepared.Count, withGradient: true);
            state.Prepared.Clear();
        }
    }

    // A negative count = all rows.
    private void Advance(Tensor table, Rows state, ReadOnlySpan<long> rows, long count, bool withGradient)
    {
        var status = Native.sr_adam_rows(
            table.Handle, _first[state.Index].Handle, _second[state.Index].Handle, state.Done, rows, count,
            CollectionsMarshal.AsSpan(state.History), state.Start, _steps[state.Index], withGradient ? 1 : 0, out var error);
        Native.Check(status, error);
    }

    private sealed class Rows(int index, long count)
    {
        /// <summary>Among the parameters.</summary>
        public int Index { get; } = index;

        /// <summary>For each row the last step that it has had.</summary>
        public long[] Done { get; } = new long[count];

        /// <summary>Rows that the next step has gradients for.</summary>
        public List<long> Prepared { get; } = [];

        /// <summary>Factors of the steps after <see cref="Start"/>.</summary>
        public List<StepFactors> History { get; } = [];

        /// <summary>A step that every row has had.</summary>
        public long Start { get; set; }
    }
}

/// <summary>Layout: <c>sr_step</c> in native/optim.cpp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct StepFactors(
    float Decay, float Coupled, float Beta1, float OneBeta1, float Beta2, float OneBeta2, float Size, float Root, float Eps);
