using StreamRec.Domain;

namespace StreamRec.Models.Checkpoints;

/// <summary>Translates between the catalogue's item numbers and a model's rows, and knows which rows may be in a list.</summary>
/// <remarks>
/// The catalogue grows and items are withdrawn while a model serves; the translation follows by itself and is swapped whole,
/// so readers need no lock; growth costs the new items only. Items that the model does not know have row 0, rows that the catalogue does not know have number -1.
/// </remarks>
internal sealed class ItemRows(Vocabulary vocabulary, Catalogue catalogue)
{
    private readonly Lock _renewal = new();
    private View _view = new([], [], [], 0, -1);

    /// <summary>The translation of the moment.</summary>
    public View Current
    {
        get
        {
            var view = Volatile.Read(ref _view);
            return view.IsCurrent(catalogue) ? view : Renew();
        }
    }

    private View Renew()
    {
        lock (_renewal)
        {
            if (_view.IsCurrent(catalogue))
            {
                return _view;
            }

            // Versions are read first: what changes meanwhile is found stale by the next reader.
            var availability = catalogue.AvailabilityVersion;
            var count = catalogue.Count;
            var former = _view;

            // Beyond its own count no reader looks at the array of rows, so a longer view may share it.
            var rows = former.Rows;
            if (rows.Length < count)
            {
                Array.Resize(ref rows, Math.Max(count, rows.Length * 2));
            }

            var (numbers, bias) = (former.Numbers, former.Bias);
            if (numbers.Length == 0)
            {
                numbers = new int[vocabulary.Rows];
                bias = new float[vocabulary.Rows];
                Array.Fill(numbers, -1);
                Array.Fill(bias, float.NegativeInfinity);
            }
            else if (availability != former.Availability)
            {
                (numbers, bias) = ((int[])numbers.Clone(), (float[])bias.Clone());
            }

            for (var number = former.Count; number < count; number++)
            {
                var row = rows[number] = vocabulary.RowOf(catalogue[number].Id);
                if (row != 0)
                {
                    // Until the new view is out, readers take the row for unknown to the catalogue or already find its number: both are right.
                    numbers[row] = number;
                    bias[row] = catalogue[number].Available ? 0 : float.NegativeInfinity;
                }
            }

            if (availability != former.Availability)
            {
                for (var row = 1; row < numbers.Length; row++)
                {
                    bias[row] = numbers[row] >= 0 && catalogue[numbers[row]].Available ? 0 : float.NegativeInfinity;
                }
            }

            Volatile.Write(ref _view, new View(rows, numbers, bias, count, availability));
            return _view;
        }
    }

    /// <param name="Rows">Row by item number; 0 = unknown to the model.</param>
    /// <param name="Numbers">Item number by row; -1 = unknown to the catalogue.</param>
    /// <param name="Bias">By row: 0 where the item may be in a list, negative infinity where not.</param>
    /// <param name="Count">Catalogue size that this was made for.</param>
    /// <param name="Availability">Availability version that this was made for.</param>
    public sealed record View(int[] Rows, int[] Numbers, float[] Bias, int Count, int Availability)
    {
        public bool IsCurrent(Catalogue catalogue) =>
            Count == catalogue.Count && Availability == catalogue.AvailabilityVersion;

        /// <summary>The row of an item number, 0 for numbers newer than this view.</summary>
        public int RowOf(int number) => (uint)number < (uint)Count ? Rows[number] : 0;
    }
}
