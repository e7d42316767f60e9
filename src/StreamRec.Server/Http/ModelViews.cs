using StreamRec.Domain;
using StreamRec.Inference;

namespace StreamRec.Server.Http;

/// <summary>The registry as people see it.</summary>
public static class ModelViews
{
    /// <summary>All versions with their aliases and metrics.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="serving">What serves in this process, or null when nothing does.</param>
    public static IReadOnlyList<ModelView> List(ModelRegistry registry, ModelVersion? serving)
    {
        var aliases = registry.ReadAliases();
        var views = new List<ModelView>();
        foreach (var version in registry.List())
        {
            var name = version.ToString();
            var alias = name == aliases.Champion ? "champion" : name == aliases.Previous ? "previous" : null;
            try
            {
                var manifest = registry.ReadManifest(version);
                views.Add(new ModelView(name, alias, serving == version, manifest.Created, manifest.Parent, manifest.Metrics));
            }
            catch (CheckpointRejectedException)
            {
                // A damaged manifest does not hide the others; 'models verify' says what is wrong with it.
                views.Add(new ModelView(name, alias, serving == version, default, null, new Dictionary<string, double>()));
            }
        }

        return views;
    }
}
