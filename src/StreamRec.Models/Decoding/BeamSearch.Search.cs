namespace StreamRec.Models.Decoding;

/// <summary>What is known about one input.</summary>
internal sealed partial class BeamSearch
{
    /// <summary>A beginning that one token more would make.</summary>
    /// <param name="Beam">Which of the input's beams it continues.</param>
    /// <param name="Token">With what.</param>
    /// <param name="Sum">Log-probability of all its tokens.</param>
    /// <param name="Node">Where that leads in the trie.</param>
    private readonly record struct Candidate(int Beam, int Token, float Sum, int Node);

    /// <param name="Row">The beam before that it continues: its row among the input's.</param>
    /// <param name="Tokens">All of them, without the prompt.</param>
    /// <param name="Sum">Their log-probability.</param>
    /// <param name="Node">Where they lead in the trie.</param>
    private sealed record Beam(int Row, int[] Tokens, float Sum, int Node);

    private sealed class Search(BeamOptions options, int[] prompt, int[] excluded)
    {
        private readonly List<(Beam Text, double Score)> _texts = [];

        /// <summary>What goes on, best first; nothing when done.</summary>
        public List<Beam> Beams { get; private set; } = [new(0, [], 0, TokenTrie.Root)];

        /// <summary>Whether what goes on could not change the result.</summary>
        public bool Done { get; private set; }

        /// <summary>What precedes every text.</summary>
        public int[] Prompt => prompt;

        /// <summary>Of <see cref="TokenTrie.Exclude"/>.</summary>
        public int[] Excluded => excluded;

        /// <summary>Takes a step.</summary>
        /// <param name="best">The best continuations, best first.</param>
        /// <param name="length">Tokens that each has.</param>
        public void Advance(IEnumerable<Candidate> best, int length)
        {
            var (next, top) = (new List<Beam>(options.Beams), float.NegativeInfinity);
            foreach (var (rank, candidate) in best.Index())
            {
                var beam = new Beam(candidate.Beam, [.. Beams[candidate.Beam].Tokens, candidate.Token], candidate.Sum, candidate.Node);
                top = rank == 0 ? beam.Sum : top;
                if (candidate.Token != options.End)
                {
                    next.Add(beam);
                }
                else if (rank < options.Beams)
                {
                    Add(beam);
                }

                if (next.Count == options.Beams)
                {
                    break;
                }
            }

            Done = next.Count == 0 || (_texts.Count >= options.Beams
                && (options.EarlyStopping || _texts.Min(text => text.Score) >= top / Math.Pow(length, options.LengthPenalty)));
            Beams = Done ? [] : next;
        }

        /// <summary>The texts, best first.</summary>
        public List<FoundText> Finish(TokenTrie? trie)
        {
            if (trie is null)
            {
                Beams.ForEach(Add);
            }

            var found = new List<FoundText>();
            foreach (var (text, score) in _texts.OrderByDescending(text => text.Score))
            {
                // An item may have been withdrawn since the text was found.
                int[] items = trie is null ? [] : [.. trie.AvailableAt(text.Node, excluded)];
                if (found.Count < options.Returned && (trie is null || items.Length > 0))
                {
                    found.Add(new FoundText(text.Tokens, score, items));
                }
            }

            return found;
        }

        private void Add(Beam text)
        {
            _texts.Add((text, text.Sum / Math.Pow(text.Tokens.Length, options.LengthPenalty)));
            if (_texts.Count > options.Beams)
            {
                _texts.Remove(_texts.MinBy(other => other.Score));
            }
        }
    }
}
