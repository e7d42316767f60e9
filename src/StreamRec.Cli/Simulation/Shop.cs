using StreamRec.Domain;

namespace StreamRec.Cli.Simulation;

/// <summary>Settings of the simulated shop.</summary>
public sealed record ShopOptions
{
    /// <summary>Customers, 1 or more.</summary>
    public int Users { get; init; } = 2_000;

    /// <summary>Items for sale, at least 10 for each category.</summary>
    public int Items { get; init; } = 1_000;

    /// <summary>Categories, 2 or more.</summary>
    public int Categories { get; init; } = 40;

    /// <summary>How often a customer's taste moves to another category, for each interaction, in [0, 1].</summary>
    public double Drift { get; init; } = 0.04;

    /// <summary>Everything random follows from it.</summary>
    public int Seed { get; init; } = 1;
}

/// <summary>A shop whose customers have tastes that drift: an endless, seeded stream of interactions.</summary>
/// <remarks>
/// What there is to learn: inside a category things are bought in a certain order (the charger after the phone, volume two after volume one),
/// a customer stays in two categories for a while and then moves on, and some items are popular with everybody.
/// Popularity alone explains about one interaction in six; nobody buys the same thing twice.
/// </remarks>
public sealed class Shop
{
    // Shares of what leads to an interaction; the rest is browsing inside a liked category.
    private const double FollowsTheLast = 0.55;
    private const double BuysWhatEverybodyBuys = 0.12;

    private readonly ShopOptions _options;
    private readonly Random _random;
    private readonly Customer[] _customers;
    private readonly int[][] _items;
    private readonly int[][] _next;
    private readonly int[] _popular;
    private long _count;

    public Shop(ShopOptions options)
    {
        Check(nameof(options.Users), options.Users, 1, 10_000_000);
        Check(nameof(options.Categories), options.Categories, 2, 10_000);
        Check(nameof(options.Items), options.Items, options.Categories * 10, 10_000_000);
        if (options.Drift is not (>= 0 and <= 1))
        {
            throw new ArgumentException($"--drift is {options.Drift}; it must be in [0, 1].");
        }

        _options = options;
        _random = new Random(options.Seed);
        var order = Enumerable.Range(0, options.Items).ToArray();
        _random.Shuffle(order);
        _items = [.. Enumerable.Range(0, options.Categories).Select(c => order.Where((_, i) => i % options.Categories == c).ToArray())];
        _next = new int[options.Items][];
        foreach (var category in _items)
        {
            for (var i = 0; i < category.Length; i++)
            {
                // Each item has three usual successors, the first of them the most usual.
                _next[category[i]] = [category[(i + 1) % category.Length], category[(i + 2) % category.Length], category[(i + 5) % category.Length]];
            }
        }

        _popular = [.. order.Take(Math.Min(30, options.Items))];
        _customers = [.. Enumerable.Range(0, options.Users).Select(_ => NewCustomer())];

        static void Check(string name, int value, int low, int high)
        {
            if (value < low || value > high)
            {
                throw new ArgumentException($"--{name.ToLowerInvariant()} is {value}; it must be in [{low}, {high}].");
            }
        }
    }

    /// <summary>The catalogue: item ids with their titles.</summary>
    public IEnumerable<(string Id, string Title, string Category)> Catalogue()
    {
        for (var c = 0; c < _items.Length; c++)
        {
            for (var i = 0; i < _items[c].Length; i++)
            {
                yield return (IdOf(_items[c][i]), $"{Things[c % Things.Length]} no. {i + 1}", Things[c % Things.Length]);
            }
        }
    }

    /// <summary>The next interaction of somebody.</summary>
    public Interaction Next(long timestampMs)
    {
        // A few customers are busy, most come now and then.
        var index = (int)(_customers.Length * Math.Pow(_random.NextDouble(), 1.6));
        var customer = _customers[index];
        if (customer.Bought.Count >= Math.Min(60, _options.Items / 2))
        {
            // Regulars leave and somebody new takes the place, so that there are always beginners.
            customer = _customers[index] = NewCustomer();
        }

        if (_random.NextDouble() < _options.Drift)
        {
            customer.Likes[_random.Next(customer.Likes.Length)] = _random.Next(_items.Length);
        }

        var item = Choose(customer);
        customer.Bought.Add(item);
        customer.Last = item;
        return new Interaction(
            customer.Id, IdOf(item), _random.NextDouble() < 0.15 ? InteractionType.Purchase : InteractionType.Click, timestampMs,
            EventId: $"shop-{_options.Seed}-{_count++}");
    }

    private int Choose(Customer customer)
    {
        for (var attempt = 0; attempt < 8; attempt++)
        {
            var dice = _random.NextDouble();
            var item = dice switch
            {
                < FollowsTheLast when customer.Last >= 0 => _next[customer.Last][_random.NextDouble() < 0.7 ? 0 : _random.Next(3)],
                < FollowsTheLast + BuysWhatEverybodyBuys => _popular[(int)(_popular.Length * Math.Pow(_random.NextDouble(), 2))],
                _ => Browse(customer),
            };
            if (!customer.Bought.Contains(item))
            {
                return item;
            }
        }

        return Browse(customer);
    }

    private int Browse(Customer customer)
    {
        var category = _items[customer.Likes[_random.Next(customer.Likes.Length)]];
        for (var attempt = 0; attempt < 8; attempt++)
        {
            var item = category[(int)(category.Length * Math.Pow(_random.NextDouble(), 1.5))];
            if (!customer.Bought.Contains(item))
            {
                return item;
            }
        }

        return Enumerable.Range(0, _options.Items).Select(_ => _random.Next(_options.Items)).First(item => !customer.Bought.Contains(item));
    }

    private Customer NewCustomer() => new(
        $"customer-{_random.NextInt64(1L << 40):x10}", [_random.Next(_items.Length), _random.Next(_items.Length)]);

    private static string IdOf(int item) => $"item-{item:d5}";

    private static readonly string[] Things =
    [
        "Tea", "Novel", "Lamp", "Camera", "Guitar string", "Rucksack", "Chess set", "Pen", "Bicycle part", "Puzzle",
        "Kettle", "Scarf", "Plant", "Telescope", "Record", "Knife", "Blanket", "Board game", "Headphone", "Map",
        "Paint", "Coffee", "Cable", "Watch", "Tent", "Football", "Notebook", "Candle", "Mug", "Racket",
        "Perfume", "Hammer", "Poster", "Clock", "Mirror", "Spice", "Drone", "Microscope", "Umbrella", "Kite",
    ];

    private sealed class Customer(string id, int[] likes)
    {
        public string Id { get; } = id;

        public int[] Likes { get; } = likes;

        public HashSet<int> Bought { get; } = [];

        public int Last { get; set; } = -1;
    }
}
