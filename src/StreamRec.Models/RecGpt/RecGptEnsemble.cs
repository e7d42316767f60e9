using StreamRec.Torch;

namespace StreamRec.Models.RecGpt;

/// <summary>Networks of one shape, trained apart from different beginnings, that answer together: a score is the mean of theirs. Usually one.</summary>
/// <remarks>
/// For one window the mean of logits and the mean of log-probabilities differ by a constant, so both rank alike. Networks that saw the same
/// data err differently, and a mean of a few is better than any of them; time and memory grow with their number.
/// </remarks>
internal sealed class RecGptEnsemble : IDisposable
{
    /// <param name="config">Shapes, and how many members.</param>
    /// <param name="itemRows">Items and padding.</param>
    /// <param name="userRows">Users and the cold user.</param>
    public RecGptEnsemble(RecGptConfig config, long itemRows, long userRows) =>
        Members = [.. Enumerable.Range(0, config.Members).Select(_ => new RecGptNetwork(config, itemRows, userRows))];

    /// <summary>At least one.</summary>
    public IReadOnlyList<RecGptNetwork> Members { get; }

    /// <summary>What stands before the names of a member's parameters.</summary>
    public static string PrefixOf(int member, int members) => members == 1 ? "" : $"members.{member}.";

    /// <summary>Parameters by their names in a checkpoint: those of the network when there is one, else behind <c>members.0.</c> and so on.</summary>
    public IEnumerable<(string Name, Tensor Parameter)> NamedParameters() =>
        Members.SelectMany((member, i) => member.NamedParameters().Select(named => (PrefixOf(i, Members.Count) + named.Name, named.Parameter)));

    /// <summary>As <see cref="NamedParameters"/>.</summary>
    public IReadOnlyDictionary<string, Tensor> StateDict() => NamedParameters().ToDictionary(named => named.Name, named => named.Parameter);

    /// <summary>Copies elements into the parameters, by name.</summary>
    /// <exception cref="ArgumentException">A name is missing or left over, or a shape differs; then some members may have been overwritten.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        if (state.Keys.Except(StateDict().Keys).FirstOrDefault() is { } extra)
        {
            throw new ArgumentException($"Tensor {extra} has no place among {Members.Count} members.");
        }

        foreach (var (i, member) in Members.Index())
        {
            var prefix = PrefixOf(i, Members.Count);
            member.LoadStateDict(state.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal))
                .ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value));
        }
    }

    /// <inheritdoc cref="Module.Train"/>
    public void Train(bool mode)
    {
        foreach (var member in Members)
        {
            member.Train(mode);
        }
    }

    /// <summary>Hidden states of the newest slot, float [B, d] of each member; arguments as for <see cref="RecGptNetwork.Forward"/>.</summary>
    public Tensor[] ForwardLast(Tensor items, Tensor users, Tensor? segments) =>
        [.. Members.Select(member => member.ForwardLast(items, users, segments))];

    /// <summary>What lists are ranked by, float [B, itemRows]: inner products with the item tables.</summary>
    /// <param name="hidden">From <see cref="ForwardLast"/>.</param>
    public Tensor Scores(Tensor[] hidden) => Mean(hidden, static (member, h) => h.MatMul(member.ItemTable.T));

    /// <inheritdoc cref="RecGptNetwork.Logits"/>
    public Tensor Logits(Tensor[] hidden) => Mean(hidden, static (member, h) => member.Logits(h));

    public void Dispose()
    {
        foreach (var member in Members)
        {
            member.Dispose();
        }
    }

    private Tensor Mean(Tensor[] hidden, Func<RecGptNetwork, Tensor, Tensor> scores)
    {
        var mean = scores(Members[0], hidden[0]);
        for (var i = 1; i < Members.Count; i++)
        {
            mean += scores(Members[i], hidden[i]);
        }

        return Members.Count == 1 ? mean : mean * (1.0 / Members.Count);
    }
}
