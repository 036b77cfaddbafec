/** Assets that the bundler imports for their side effect. */
declare module "*.css"
