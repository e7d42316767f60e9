using StreamRec.Domain;

namespace StreamRec.Training.Evaluation;

/// <summary>Which items lists show, whether or not they are right: coverage, novelty and inequality of the first ten places.</summary>
public sealed class Exposure
{
    /// <summary>Places that count.</summary>
    public const int K = 10;

    private readonly Dictionary<int, int> _popularity = [];
    private readonly Dictionary<int, int> _shown = [];
    private readonly int _catalogue;
    private readonly long _interactions;
    private double _information;
    private long _places;

    /// <param name="train">Histories that popularity is counted on.</param>
    /// <param name="catalogue">Items that could be shown.</param>
    public Exposure(IEnumerable<UserHistory> train, int catalogue)
    {
        _catalogue = catalogue;
        foreach (var item in train.SelectMany(user => user.Items))
        {
            _popularity[item] = _popularity.GetValueOrDefault(item) + 1;
            _interactions++;
        }
    }

    /// <summary>Share of the catalogue that is in at least one list.</summary>
    public double Coverage => _catalogue == 0 ? 0 : (double)_shown.Count / _catalogue;

    /// <summary>Mean -log2 of the share of interactions that the items shown have, in bits; an item without any counts as if it had one.</summary>
    public double Novelty => _places == 0 ? 0 : _information / _places;

    /// <summary>Gini coefficient of how often items are shown, over the catalogue: 0 = all equally often, near 1 = always the same ones.</summary>
    public double Gini
    {
        get
        {
            if (_places == 0)
            {
                return 0;
            }

            // Items that were never shown come first and add nothing to the weighted sum.
            var rank = _catalogue - _shown.Count;
            var weighted = 0.0;
            foreach (var count in _shown.Values.Order())
            {
                weighted += (double)++rank * count;
            }

            return ((2 * weighted / _places) - _catalogue - 1) / _catalogue;
        }
    }

    /// <summary>Counts the first ten places of a list.</summary>
    public void Add(IReadOnlyList<RankedItem> list)
    {
        for (var place = 0; place < Math.Min(K, list.Count); place++)
        {
            var item = list[place].Item;
            _shown[item] = _shown.GetValueOrDefault(item) + 1;
            _information -= Math.Log2(_popularity.GetValueOrDefault(item, 1) / (double)Math.Max(1, _interactions));
            _places++;
        }
    }

    /// <summary>All figures by name.</summary>
    public IEnumerable<KeyValuePair<string, double>> Named() =>
        [new($"coverage@{K}", Coverage), new($"novelty@{K}", Novelty), new($"gini@{K}", Gini)];
}
